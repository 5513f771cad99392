"""Accounts that are corrected, handed out and deleted; members whom a host removes; names that freeze."""

import httpx
import pytest
from sqlalchemy import select

from lethe.server.accounts.schemas import NewUser
from lethe.server.hosting import account_administration, actions
from lethe.server.models import AuditEvent, TermsAcceptance, User
from tests.browser.hostile import text_columns
from tests.integration.server.conftest import SLUG, Site, upload

pytestmark = [pytest.mark.component("postgresql"), pytest.mark.one_database]
TEAMS, MINE = f"/competitions/{SLUG}/teams", f"/competitions/{SLUG}/team"
PASSWORD = {"password": "correct horse"}


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def traces(site: Site, word: str) -> list[str]:
    """The columns that have `word` in them."""
    with site.context.database.read() as session:
        return [
            name for name, column in text_columns().items()
            if any(word in str(value) for value in session.scalars(select(column)))
        ]  # fmt: skip


def names_on_the_board(client: httpx.Client) -> list[str]:
    rows = httpx.get(f"{str(client.base_url).rstrip('/')}/competitions/{SLUG}/leaderboard").json()["rows"]
    return [row["team"] for row in rows if not row["reference"]]


def test_name_and_address_are_corrected(site: Site) -> None:
    with site.register("mistyped") as ann, site.register("bob"):
        assert code_of(ann.patch("/users/me", json={"username": "rose"})) == (401, "wrong_password")
        assert code_of(ann.patch("/users/me", json={"username": "B0b"} | PASSWORD)) == (409, "account_taken")
        assert code_of(ann.patch("/users/me", json={"email": "BOB@example.org"} | PASSWORD)) == (409, "account_taken")
        me = ann.patch("/users/me", json={"username": "Rose", "email": "rose@example.org"} | PASSWORD).json()
        assert (me["username"], me["email"], me["email_confirmed"]) == ("Rose", "rose@example.org", False)
        assert ann.post("/tokens", json={}, auth=("rose", "correct horse")).status_code == 201
        with site.context.database.write() as session:
            account_administration.set_email(session, "rose", "rosa@example.org")
        assert ann.get("/users/me").json()["email"] == "rosa@example.org"
        assert ann.patch("/users/me", json={"username": "Iris"} | PASSWORD).status_code == 200
    with site.context.database.read() as session:
        asked = select(AuditEvent.target).where(AuditEvent.action == "user.email")
        assert session.scalars(asked).all() == ["Iris"]  # whoever is called Rose next did nothing


def test_an_account_is_handed_out_and_deleted(site: Site) -> None:
    with site.register("quentin") as gone, site.register("bob") as bob:
        team = gone.post(TEAMS, json={"name": "Two"}).json()["id"]
        code = gone.post(f"/teams/{team}/invites").json()["code"]
        assert bob.post(f"/invites/{code}/accept").status_code == 200
        submission = upload(gone).json()["id"]
        site.evaluate()
        with site.context.database.write() as session:
            account_administration.set_operator(session, "quentin", is_operator=True)
            user = session.scalars(select(User).where(User.username == "quentin")).one()
            session.add(TermsAcceptance(competition_id=_competition(site), user_id=user.id, terms_sha256="0" * 64))
        document = gone.get("/users/me/data").json()
        assert document["account"]["email"] == "quentin@example.org"
        assert [one["id"] for one in document["submissions"]] == [submission]
        assert [one["name"] for one in document["teams"]] == ["Two"]
        assert "argon2" not in str(document)
        assert code_of(gone.post("/users/me/delete", json=PASSWORD)) == (409, "last_operator")
        with site.context.database.write() as session:
            account_administration.set_operator(session, "bob", is_operator=True)
        assert code_of(gone.post("/users/me/delete", json={"password": "wrong"})) == (401, "wrong_password")
        assert gone.post("/users/me/delete", json=PASSWORD).status_code == 204
        assert gone.get("/users/me").status_code == 401
        assert code_of(gone.post("/tokens", json={}, auth=("quentin", "correct horse"))) == (401, "wrong_password")
        assert traces(site, "quentin") == []
        assert bob.get(MINE).json()["name"] == "Two"
        assert bob.get(f"/submissions/{submission}").json()["state"] == "scored"
        assert names_on_the_board(bob) == ["Two"]
        with site.context.database.read() as session:
            events = {event.action: event for event in session.scalars(select(AuditEvent))}
        assert events["user.delete"].actor == f"user:{events['user.delete'].target}"
    with site.register("quentin"):  # the name and the address are free again
        pass


def test_a_team_of_one_loses_its_name_and_an_idle_one_ends(site: Site) -> None:
    with site.register("quentin") as gone, site.register("idle") as idle:
        upload(gone)
        site.evaluate()
        idle.post(TEAMS, json={"name": "Idlers"})
        for client in (gone, idle):
            assert client.post("/users/me/delete", json=PASSWORD).status_code == 204
        (name,) = names_on_the_board(gone)
        assert name.startswith("deleted-")
    assert traces(site, "quentin") == traces(site, "Idlers") == []
    with site.context.database.write() as session:
        account_administration.create_user(session, _new("admin"))
        account_administration.delete_user(session, "admin")


def test_a_host_removes_a_member_who_has_submitted_nothing(site: Site) -> None:
    with site.register("ann") as ann, site.register("bob") as bob, site.register("host") as host:
        with site.context.database.write() as session:
            account_administration.set_host(session, "host", SLUG, is_host=True)
        team = ann.post(TEAMS, json={"name": "Two"}).json()["id"]
        code = ann.post(f"/teams/{team}/invites").json()["code"]
        bob.post(f"/invites/{code}/accept")
        upload(bob)
        member = f"/teams/{team}/members"
        assert ann.delete(f"{member}/bob").status_code == 404
        assert code_of(host.delete(f"{member}/bob")) == (409, "team_fixed")
        assert code_of(host.delete(f"{member}/nobody")) == (404, "team_not_found")
        assert host.delete(f"{member}/ANN").status_code == 204  # although she made the team
        assert bob.get(MINE).json()["members"] == ["bob"]
        assert ann.get(MINE).status_code == 404
        event = host.get(f"/competitions/{SLUG}/audit").json()["items"][0]
        assert (event["action"], event["details"]) == ("team.remove", {"member": "ann"})


def test_names_of_teams_freeze_at_the_close(site: Site) -> None:
    with site.register("ann") as ann:
        upload(ann)
        team = ann.get(MINE).json()["id"]
        assert ann.patch(f"/teams/{team}", json={"name": "Before"}).status_code == 200
        with site.context.database.write() as session:
            actions.close(session, SLUG)
        assert code_of(ann.patch(f"/teams/{team}", json={"name": "After"})) == (409, "team_name_frozen")


def _competition(site: Site) -> object:
    from lethe.server.models import Competition

    with site.context.database.read() as session:
        return session.scalars(select(Competition.id)).one()


def _new(name: str) -> NewUser:
    return NewUser(username=name, email=f"{name}@example.org", password="correct horse")
