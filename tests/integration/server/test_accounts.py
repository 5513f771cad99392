"""Accounts over HTTP: registration by setting, tokens that expire and end, roles, and the audit log."""

import unicodedata
from base64 import b64encode
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import delete, select, update

from lethe.server.accounts.schemas import NewUser
from lethe.server.audit_log.events import command_line_actor
from lethe.server.hosting import account_administration
from lethe.server.models import ApiToken, KnownAddress
from lethe.server.models.times import utc_now
from tests.integration.server.conftest import SLUG, Site

pytestmark = pytest.mark.component("postgresql")


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def body(name: str, **more: str) -> dict[str, str]:
    return {"username": name, "email": f"{name}@example.org", "password": "correct horse", **more}


def test_registration_by_setting(site: Site) -> None:
    with site.client() as client:
        object.__setattr__(site.context.settings, "registration", "closed")
        assert code_of(client.post("/users", json=body("ann"))) == (403, "registration_closed")
        object.__setattr__(site.context.settings, "registration", "invite-only")
        with site.context.database.write() as session:
            code = account_administration.invite(session)
        for wrong in ({}, {"invite": "lethej_wrong"}, {"invite": ""}):
            assert code_of(client.post("/users", json=body("ann", **wrong))) == (403, "invite_needed")
        assert client.post("/users", json=body("ann", invite=code)).status_code == 201
        assert code_of(client.post("/users", json=body("bob", invite=code))) == (403, "invite_needed")  # works once


def test_a_token_made_with_a_token_does_not_outlive_it(site: Site) -> None:
    site.register("ann").close()
    with site.client() as client:
        week = client.post("/tokens", json={"expires_in_days": 7}, auth=("ann", "correct horse")).json()
        assert client.post("/tokens", json={"expires_in_days": 730}, auth=("ann", "correct horse")).status_code == 201
    with site.client(week["token"]) as bearer:
        made = bearer.post("/tokens", json={"expires_in_days": 730}).json()
        assert made["expires_at"] == week["expires_at"]
    with site.client(made["token"]) as second:
        assert second.post("/tokens", json={"expires_in_days": 1}).json()["expires_at"] < week["expires_at"]


def test_guessing_passwords_ends_and_says_for_how_long(site: Site) -> None:
    site.register("ann").close()
    with site.context.database.write() as session:
        session.execute(delete(KnownAddress))  # as if somebody tried from another address than ann's
    with site.client() as client:
        tries = [client.post("/tokens", json={}, auth=("ann", f"guess {number}")) for number in range(12)]
        # Of the window before a part of the tries counts, so at a border one or two more come through.
        assert [answer.status_code for answer in tries[:10]] == [401] * 10
        assert tries[-1].status_code == 429
        assert tries[-1].json()["code"] == "rate_limited"
        assert f"Try again in {int(tries[-1].headers['Retry-After'])} s" in tries[-1].json()["detail"]
        assert client.post("/tokens", json={}, auth=("ann", "correct horse")).status_code == 429
        page = client.post(f"{site.url}/login", data={"username": "ANN", "password": "correct horse"})
        assert (page.status_code, page.headers["Retry-After"].isdigit()) == (429, True)
        assert "Too many attempts to log in" in page.text
        site.register("bob").close()  # others are not held up
        assert client.post("/tokens", json={}, auth=("bob", "correct horse")).status_code == 201


def test_rules_of_names_are_said_in_words(site: Site) -> None:
    with site.client() as client:
        refused = client.post("/users", json=body("x") | {"email": "nowhere"})
        assert code_of(refused) == (422, "invalid_request")
        assert "username: Use 3 to 40 letters" in refused.json()["detail"]
        assert "email: Use an e-mail address" in refused.json()["detail"]
        assert "pattern" not in refused.text


def test_password_rule_is_length_and_says_so(site: Site) -> None:
    with site.client() as client:
        short = client.post("/users", json=body("ann", password="seven77"))
        assert code_of(short) == (422, "invalid_request")
        assert "8 characters" in short.json()["detail"]
        assert client.post("/users", json=body("ann", password="ä" * 8)).status_code == 201


def test_a_password_of_any_characters_gets_a_token(site: Site) -> None:
    with site.client() as client:
        password = "correct hörse 🐎: yes"
        assert client.post("/users", json=body("ann", password=password)).status_code == 201
        typed = unicodedata.normalize("NFD", password)
        assert client.post("/tokens", json={}, auth=("ann", typed.encode())).status_code == 201
        for sent in ("Basic !", "Basic " + b64encode(b"ann").decode(), "Basic " + b64encode(b"ann:\xff").decode()):
            refused = client.post("/tokens", json={}, headers={"Authorization": sent})
            assert code_of(refused) == (401, "basic_invalid")
        assert code_of(client.post("/users", json=body("Αnn"))) == (422, "invalid_request")
        assert client.post("/users", json=body("allie")).status_code == 201
        assert code_of(client.post("/users", json=body("aIlie"))) == (409, "account_taken")  # a capital i


def test_tokens_expire_and_say_when_they_were_used(site: Site) -> None:
    with site.register("ann") as ann:
        made = ann.post("/tokens", json={"name": "ci", "expires_in_days": 2}).json()
        assert made["token"].startswith("lethe_")
        with site.client(made["token"]) as ci:
            assert ci.get("/users/me").json()["username"] == "ann"
            row = next(row for row in ann.get("/tokens").json()["items"] if row["id"] == made["id"])
            assert row["last_used_at"] is not None
            assert ci.get("/users/me").status_code == 200
            again = next(row for row in ann.get("/tokens").json()["items"] if row["id"] == made["id"])
            assert again["last_used_at"] == row["last_used_at"]  # written at most once a minute
            with site.context.database.write() as session:
                session.execute(
                    update(ApiToken).where(ApiToken.name == "ci").values(expires_at=utc_now() - timedelta(seconds=1))
                )
            assert code_of(ci.get("/users/me")) == (401, "token_invalid")
        with site.register("bob") as bob:
            assert code_of(bob.delete(f"/tokens/{made['id']}")) == (404, "token_not_found")
        with site.context.database.read() as session:
            assert made["token"] not in set(session.scalars(select(ApiToken.digest)))


def test_tokens_are_paged_and_bounded(site: Site) -> None:
    with site.register("ann") as ann:
        for number in range(49):
            assert ann.post("/tokens", json={"name": f"t{number}"}).status_code == 201
        assert code_of(ann.post("/tokens", json={})) == (409, "too_many_tokens")
        seen, cursor = [], None
        while True:
            page = ann.get("/tokens", params={"limit": 20} | ({"cursor": cursor} if cursor else {})).json()
            seen += [row["id"] for row in page["items"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert len(seen) == len(set(seen)) == 50
        for wrong in ("x", "AAAA", "ÿ", "MjAyNg", "-1", "0" * 101):
            assert ann.get("/tokens", params={"cursor": wrong}).status_code == 422, wrong
        for wrong in ({"limit": 0}, {"limit": -1}, {"limit": 101}, {"limit": 10**30}, {"limit": "x"}):
            assert code_of(ann.get("/tokens", params=wrong)) == (422, "invalid_request")


def test_changed_and_reset_passwords_end_everything(site: Site) -> None:
    with site.register("ann") as ann:
        change = {"password": "wrong horse", "new_password": "battery staple"}
        assert code_of(ann.post("/users/me/password", json=change)) == (401, "wrong_password")
        change["password"] = "correct horse"
        assert ann.post("/users/me/password", json=change).status_code == 204
        assert code_of(ann.get("/users/me")) == (401, "token_invalid")
        with site.context.database.write() as session:
            password = account_administration.reset_password(session, "ANN")
        assert ann.post("/tokens", json={}, auth=("ann", "battery staple")).status_code == 401
        assert ann.post("/tokens", json={}, auth=("Ann", password)).status_code == 201


def test_disabled_accounts_are_shut_out(site: Site) -> None:
    with site.register("ann") as ann:
        with site.context.database.write() as session:
            account_administration.set_disabled(session, "ann", is_disabled=True)
        assert code_of(ann.get("/users/me")) == (401, "token_invalid")
        assert code_of(ann.post("/tokens", json={}, auth=("ann", "correct horse"))) == (403, "account_disabled")
        with site.context.database.write() as session:
            account_administration.set_disabled(session, "ann", is_disabled=False)
        assert ann.post("/tokens", json={}, auth=("ann", "correct horse")).status_code == 201


def test_roles_open_the_audit_log(site: Site) -> None:
    log, all_logs = f"/competitions/{SLUG}/audit", "/audit"
    with site.register("ann") as ann:
        assert code_of(ann.get(log)) == (404, "not_found")
        with site.context.database.write() as session:
            account_administration.set_host(session, "ann", SLUG, is_host=True)
            account_administration.create_user(session, NewUser(**body("root", password="very secret")))
        shown = ann.get(log)
        assert shown.status_code == 200
        first = shown.json()["items"][0]
        assert (first["actor"], first["action"], first["target"]) == (command_line_actor(), "user.role", "ann")
        assert first["details"] == {"host": True}
        # Both evaluations of the competition were calibrated.
        assert [event["action"] for event in shown.json()["items"]] == ["user.role", *2 * ["competition.calibrate"]]
        assert code_of(ann.get(all_logs)) == (404, "not_found")
        with site.context.database.write() as session:
            account_administration.set_host(session, "ann", SLUG, is_host=False)
            account_administration.set_operator(session, "ann", is_operator=True)
        assert "user.create" in ann.get(all_logs).text
        assert "very secret" not in ann.get(all_logs).text
        assert ann.get(log).status_code == 200  # operators host everything
