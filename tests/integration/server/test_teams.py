"""Teams over HTTP: made, named, joined by invitation, left, and one for each person in every race."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import func, select, update

from lethe.server.models import Team, TeamInvite, TeamMember
from lethe.server.models.times import utc_now
from tests.integration.server.conftest import GOOD, SLUG, Site, upload

pytestmark = pytest.mark.component("postgresql")
TEAMS = f"/competitions/{SLUG}/teams"
MINE = f"/competitions/{SLUG}/team"


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def join(site: Site, team_id: str, member: httpx.Client, newcomer: httpx.Client) -> httpx.Response:
    code = member.post(f"/teams/{team_id}/invites").json()["code"]
    return newcomer.post(f"/invites/{code}/accept")


def test_life_of_a_team(site: Site) -> None:
    with site.register("ann") as ann, site.register("bob") as bob:
        assert code_of(ann.get(MINE)) == (404, "team_not_found")
        made = ann.post(TEAMS, json={"name": "Lethe’s own"})
        assert made.status_code == 201
        team = f"/teams/{made.json()['id']}"
        assert made.json()["members"] == ["ann"]
        assert code_of(ann.post(TEAMS, json={"name": "another"})) == (409, "already_in_team")
        invited = ann.post(f"{team}/invites").json()
        assert [row["id"] for row in ann.get(team).json()["invites"]] == [invited["id"]]
        assert invited["code"] not in ann.get(team).text
        joined = bob.post(f"/invites/{invited['code']}/accept")
        assert joined.json()["members"] == ["ann", "bob"]
        assert code_of(bob.post(f"/invites/{invited['code']}/accept")) == (404, "invite_not_found")  # it works once
        assert bob.patch(team, json={"name": "Ours"}).json()["name"] == "Ours"
        submission = upload(ann).json()
        assert submission["team"] == "Ours"
        assert bob.get(f"/submissions/{submission['id']}/source").content == GOOD
        assert code_of(bob.post(f"{team}/leave")) == (409, "team_fixed")
        assert bob.get(MINE).json()["is_fixed"] is True


def test_leaving_and_dissolving(site: Site) -> None:
    with site.register("ann") as ann, site.register("bob") as bob:
        team = ann.post(TEAMS, json={"name": "Two"}).json()["id"]
        assert join(site, team, ann, bob).status_code == 200
        assert ann.post(f"/teams/{team}/leave").status_code == 204
        assert code_of(ann.get(f"/teams/{team}")) == (404, "team_not_found")
        assert bob.get(MINE).json()["members"] == ["bob"]
        open_code = bob.post(f"/teams/{team}/invites").json()["code"]
        assert bob.post(f"/teams/{team}/leave").status_code == 204
        assert code_of(ann.post(f"/invites/{open_code}/accept")) == (404, "invite_not_found")
        assert ann.post(TEAMS, json={"name": "Two"}).status_code == 201  # the name is free again


def test_who_has_submitted_stays_and_others_may_join_them(site: Site) -> None:
    with site.register("ann") as ann, site.register("bob") as bob, site.register("cem") as cem:
        upload(ann)
        anns = ann.get(MINE).json()
        assert (anns["name"], anns["is_fixed"]) == ("ann", True)
        bobs = bob.post(TEAMS, json={"name": "Bobs"}).json()["id"]
        assert code_of(join(site, bobs, bob, ann)) == (409, "team_fixed")
        assert join(site, anns["id"], ann, bob).json()["members"] == ["ann", "bob"]
        assert code_of(bob.get(f"/teams/{bobs}")) == (404, "team_not_found")
        assert cem.post(TEAMS, json={"name": "Bobs"}).status_code == 201


def test_size_limit_and_open_invites(site: Site) -> None:
    site.change_specification(team_size=2)
    with site.register("ann") as ann, site.register("bob") as bob, site.register("cem") as cem:
        team = ann.post(TEAMS, json={"name": "Small"}).json()["id"]
        assert join(site, team, ann, bob).status_code == 200
        assert code_of(join(site, team, ann, cem)) == (409, "team_full")
        for _ in range(19):
            assert ann.post(f"/teams/{team}/invites").status_code == 201
        assert code_of(ann.post(f"/teams/{team}/invites")) == (409, "too_many_invites")
        first = ann.get(f"/teams/{team}").json()["invites"][0]["id"]
        assert ann.delete(f"/teams/{team}/invites/{first}").status_code == 204
        assert code_of(cem.delete(f"/teams/{team}/invites/{first}")) == (404, "team_not_found")
        assert ann.post(f"/teams/{team}/invites").status_code == 201


def test_expired_invites_and_names(site: Site) -> None:
    with site.register("ann") as ann, site.register("bob") as bob:
        team = ann.post(TEAMS, json={"name": "Straße"}).json()["id"]
        code = ann.post(f"/teams/{team}/invites").json()["code"]
        with site.context.database.write() as session:
            session.execute(update(TeamInvite).values(expires_at=utc_now() - timedelta(seconds=1)))
        assert code_of(bob.post(f"/invites/{code}/accept")) == (404, "invite_not_found")
        for name in ("STRASSE", "Ｓtraße", " Straße\u2800", "S\ufe0ftraße", "Strаße", "ЅTRASSE"):
            assert code_of(bob.post(TEAMS, json={"name": name})) == (409, "team_name_taken")
        for name in ("", " ", "a\n", "a\u202eb", "\u3164", "\u2800", "🐎", "\ud800", "x" * 41, None, 7):
            assert code_of(bob.post(TEAMS, content=_json({"name": name}))) == (422, "invalid_request"), repr(name)
        assert code_of(bob.post(TEAMS, json={"name": "ﷺ" * 40})) == (400, "invalid_team_name")
        assert bob.post(TEAMS, json={"name": "ann"}).status_code == 201
        assert ann.post(f"/teams/{team}/leave").status_code == 204
        assert upload(ann).json()["team"] == "ann-2"  # a team of one takes a free name


def _json(value: object) -> bytes:
    import json

    return json.dumps(value).encode()


def test_closed_competitions_have_fixed_teams(site: Site) -> None:
    from lethe.server.hosting import actions

    with site.register("ann") as ann, site.register("bob") as bob:
        team = ann.post(TEAMS, json={"name": "Late"}).json()["id"]
        code = ann.post(f"/teams/{team}/invites").json()["code"]
        with site.context.database.write() as session:
            actions.close(session, SLUG)
        assert code_of(bob.post(f"/invites/{code}/accept")) == (403, "competition_closed")
        assert code_of(bob.post(TEAMS, json={"name": "Later"})) == (403, "competition_closed")


def test_one_person_one_team_however_many_clicks(site: Site) -> None:
    site.change_specification(team_size=3)
    clients = [site.register(f"user{index}") for index in range(6)]
    ann = clients[0]
    team = ann.post(TEAMS, json={"name": "Hub"}).json()["id"]
    codes = [ann.post(f"/teams/{team}/invites").json()["code"] for _ in clients[1:]]

    def click(index: int) -> set[int]:
        client = clients[1 + index % 5]
        return {
            client.post(TEAMS, json={"name": f"own {index}"}).status_code,
            client.post(f"/invites/{codes[index % 5]}/accept").status_code,
            upload(client).status_code,
        }

    with ThreadPoolExecutor(10) as pool:
        statuses = set().union(*pool.map(click, range(10)))
    assert statuses <= {200, 201, 202, 404, 409}
    with site.context.database.read() as session:
        assert session.scalar(select(func.count()).select_from(TeamMember)) == 6
        sizes = dict(session.execute(select(TeamMember.team_id, func.count()).group_by(TeamMember.team_id)).all())
        assert max(sizes.values()) == 3
        assert set(sizes) == set(session.scalars(select(Team.id)))  # no team without members
    for client in clients:
        client.close()
