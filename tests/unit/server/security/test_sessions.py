"""Browser sessions, asked in process: cookies, CSRF protection, throttled logins and rates, in memory and on Redis."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request, Response
from limits import parse
from sqlalchemy import select, update

from lethe.server.app import create_app
from lethe.server.context import Context
from lethe.server.http.rate_limit import Rates
from lethe.server.models import Base, WebSession
from lethe.server.models.times import utc_now
from lethe.server.security import login, sessions
from lethe.server.security.sessions import FormVisitor
from lethe.server.settings import Settings

Ask = Callable[..., httpx.Response]
ANN = {"username": "ann", "password": "correct horse"}


def build(tmp_path: Path, **settings: Any) -> FastAPI:
    app = create_app(Settings(home=tmp_path / "home", **settings))
    Base.metadata.create_all(app.state.context.database.engine)

    @app.post("/form")
    def form(visitor: FormVisitor) -> dict[str, str]:
        return {"username": visitor.user.username}

    return app


def asker(app: FastAPI, base_url: str = "https://lethe.test", address: str = "127.0.0.1") -> Ask:
    """`ask(method, path, **more)` with one cookie jar, from this address."""
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app, client=(address, 123)), base_url=base_url)

    def ask(method: str, path: str, **more: Any) -> httpx.Response:
        return asyncio.run(client.request(method, path, **more))

    return ask


@pytest.fixture
def app(tmp_path: Path) -> FastAPI:
    app = build(tmp_path)
    answer = asker(app)("POST", "/api/v1/users", json={**ANN, "email": "ann@example.org"})
    assert answer.status_code == 201
    return app


def log_in(ask: Ask) -> str:
    answer = ask("POST", "/api/v1/session", json=ANN)
    assert answer.status_code == 200
    token: str = answer.json()["csrf_token"]
    return token


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_cookie_is_closed_and_stored_as_a_digest(app: FastAPI) -> None:
    ask = asker(app)
    answer = ask("POST", "/api/v1/session", json=ANN)
    cookie = answer.headers["set-cookie"]
    for part in ("HttpOnly", "Secure", "SameSite=lax", "Path=/", "Max-Age=1209600"):
        assert part in cookie
    context: Context = app.state.context
    with context.database.read() as session:
        stored = session.scalars(select(WebSession)).one()
    assert stored.digest not in cookie
    assert answer.cookies["__Host-lethe_session"] not in answer.text
    assert (
        "Secure" not in asker(app, "http://127.0.0.1:8000")("POST", "/api/v1/session", json=ANN).headers["set-cookie"]
    )


def test_changes_need_the_csrf_token(app: FastAPI) -> None:
    ask = asker(app)
    token = log_in(ask)
    assert ask("GET", "/api/v1/users/me").json()["username"] == "ann"
    for headers in ({}, {"X-CSRF-Token": "0" * 64}, {"X-CSRF-Token": b"\xe9"}):
        assert code_of(ask("POST", "/api/v1/tokens", json={}, headers=headers)) == (403, "cross_site_request")
    good = {"X-CSRF-Token": token}
    for foreign in ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.test"},
                    {"Origin": "null"}):  # fmt: skip
        assert code_of(ask("POST", "/api/v1/tokens", json={}, headers=good | foreign)) == (403, "cross_site_request")
        assert code_of(ask("POST", "/api/v1/session", json=ANN, headers=foreign)) == (403, "cross_site_request")
    for own in ({}, {"Sec-Fetch-Site": "same-origin"}, {"Origin": "https://lethe.test"}):
        assert ask("POST", "/api/v1/tokens", json={}, headers=good | own).status_code == 201


def test_forms_carry_the_token_in_a_field(app: FastAPI) -> None:
    ask = asker(app)
    assert code_of(ask("POST", "/form", data={"csrf_token": "x"})) == (401, "session_missing")
    token = log_in(ask)
    assert ask("POST", "/form", data={"csrf_token": token}).json() == {"username": "ann"}
    for wrong in ({}, {"csrf_token": ""}, {"csrf_token": "0" * 64}):
        assert code_of(ask("POST", "/form", data=wrong)) == (403, "cross_site_request")
    other = asker(app)
    log_in(other)
    assert code_of(other("POST", "/form", data={"csrf_token": token})) == (403, "cross_site_request")


def test_logout_and_expiry_end_a_session(app: FastAPI) -> None:
    ask, other = asker(app), asker(app)
    token = log_in(ask)
    log_in(other)
    assert code_of(ask("DELETE", "/api/v1/session")) == (403, "cross_site_request")
    kept = ask("GET", "/api/v1/session").request.headers["cookie"]
    assert ask("DELETE", "/api/v1/session", headers={"X-CSRF-Token": token}).status_code == 204
    assert code_of(asker(app)("GET", "/api/v1/session", headers={"Cookie": kept})) == (401, "session_missing")
    assert code_of(asker(app)("GET", "/api/v1/users/me", headers={"Cookie": kept})) == (401, "session_missing")
    assert other("GET", "/api/v1/session").json()["username"] == "ann"
    context: Context = app.state.context
    with context.database.write() as session:
        session.execute(update(WebSession).values(expires_at=utc_now() - timedelta(seconds=1)))
    assert code_of(other("GET", "/api/v1/session")) == (401, "session_missing")


def test_a_browser_that_logs_in_for_ever_keeps_twenty_sessions(app: FastAPI) -> None:
    ask = asker(app)
    for _ in range(22):
        log_in(ask)
    context: Context = app.state.context
    with context.database.read() as session:
        assert len(session.scalars(select(WebSession)).all()) == 20
    assert ask("GET", "/api/v1/session").status_code == 200


def test_guessing_is_throttled_and_success_clears(app: FastAPI) -> None:
    ask = asker(app, address="192.0.2.1")  # ann has registered from another one
    for _ in range(10):
        assert code_of(ask("POST", "/api/v1/session", json=WRONG)) == (401, "wrong_password")
    refused = ask("POST", "/api/v1/session", json=ANN)  # even the right one
    assert code_of(refused) == (429, "rate_limited")
    assert 0 < int(refused.headers["retry-after"]) <= 901
    basic = ask("POST", "/api/v1/tokens", json={}, auth=("ann", "correct horse"))
    assert code_of(basic) == (429, "rate_limited")
    assert code_of(ask("POST", "/api/v1/session", json={**WRONG, "username": "bob"})) == (401, "wrong_password")


def test_under_tls_the_cookie_is_of_this_host_alone(app: FastAPI) -> None:
    answer = asker(app)("POST", "/api/v1/session", json=ANN)
    (cookie,) = answer.headers.get_list("set-cookie")
    assert cookie.startswith("__Host-lethe_session=")
    assert {"Secure", "HttpOnly", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    assert "Domain" not in cookie
    text = answer.cookies["__Host-lethe_session"]
    neighbours = asker(app)("GET", "/api/v1/session", headers={"Cookie": f"lethe_session={text}"})
    assert code_of(neighbours) == (401, "session_missing")
    plain = asker(app, base_url="http://lethe.test")("POST", "/api/v1/session", json=ANN)
    assert plain.headers["set-cookie"].startswith("lethe_session=")


@pytest.mark.parametrize(
    ("url", "root", "cookie"),
    [
        ("http://localhost:8000", "", "lethe_session_8000=x; HttpOnly; Path=/; SameSite=lax"),
        ("http://localhost:8001", "", "lethe_session_8001=x; HttpOnly; Path=/; SameSite=lax"),
        ("https://lethe.test", "", "__Host-lethe_session=x; HttpOnly; Path=/; SameSite=lax; Secure"),
        ("https://lethe.test:8443", "", "__Host-lethe_session_8443=x; HttpOnly; Path=/; SameSite=lax; Secure"),
        ("https://lethe.test", "/a/b", "__Secure-lethe_session_a_b=x; HttpOnly; Path=/a/b; SameSite=lax; Secure"),
    ],
)
def test_sites_of_one_host_have_cookies_of_their_own(tmp_path: Path, url: str, root: str, cookie: str) -> None:
    app = create_app(Settings(home=tmp_path, root_path=root))

    @app.get("/set")
    def set_cookie(request: Request, response: Response) -> None:
        sessions.set_cookie(request, response, "x")

    ask = asker(app, url)
    assert ask("GET", f"{root}/set").headers["set-cookie"].replace("Max-Age=1209600; ", "") == cookie


WRONG = {**ANN, "password": "wrong horse"}


@pytest.fixture
def slowed(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits of slowed logins, which end at once."""
    waits: list[float] = []

    async def note(wall_s: float) -> None:
        waits.append(wall_s)

    monkeypatch.setattr(login, "sleep", note)
    return waits


def test_wrong_passwords_from_many_networks_lock_nobody_out(app: FastAPI, slowed: list[float]) -> None:
    for network in range(12):
        stranger = asker(app, address=f"2001:db8:0:{network:x}::1")
        for _ in range(10):
            assert code_of(stranger("POST", "/api/v1/session", json=WRONG)) == (401, "wrong_password")
        assert stranger("POST", "/api/v1/session", json=WRONG).status_code == 429  # that network, for that account
    assert slowed  # the account is slower by now …
    slowed.clear()
    assert asker(app)("POST", "/api/v1/session", json=ANN).status_code == 200
    assert asker(app)("POST", "/api/v1/tokens", json={}, auth=("ann", "correct horse")).status_code == 201
    assert slowed == []  # … but not where ann has been before
    elsewhere = asker(app, address="198.51.100.7")
    assert elsewhere("POST", "/api/v1/session", json=ANN).status_code == 200
    assert slowed == [login.SLOWED_S]  # ann on a journey is slowed once, and then known there
    assert elsewhere("POST", "/api/v1/session", json=ANN).status_code == 200
    assert len(slowed) == 1


def test_wrong_passwords_from_a_known_address_slow_it_down_before_they_end(app: FastAPI, slowed: list[float]) -> None:
    ask = asker(app)
    assert [ask("POST", "/api/v1/session", json=WRONG).status_code for _ in range(15)] == [401] * 15
    assert len(slowed) == 5
    assert log_in(ask)  # which clears the counts
    slowed.clear()
    tries = [ask("POST", "/api/v1/session", json=WRONG).status_code for _ in range(104)]
    assert tries[:99] == [401] * 99
    assert tries[-1] == 429


def test_a_flood_from_an_address_does_not_refuse_those_who_are_known_there(app: FastAPI, slowed: list[float]) -> None:
    with_rule = asker(app)
    rates, rule = app.state.context.rates, parse(app.state.context.settings.logins_per_address)
    while rates.wait_s(rule, "login", "logins_per_address", "127.0.0.1") is None:
        pass
    refused = with_rule("POST", "/api/v1/session", json={**WRONG, "username": "bob"})
    assert refused.status_code == 429
    assert "ask the operator of this server, who can raise LETHE_LOGINS_PER_ADDRESS" in refused.json()["detail"]
    assert log_in(with_rule)
    assert slowed == []


def test_calls_are_limited_by_token_and_by_address(tmp_path: Path) -> None:
    ask = asker(build(tmp_path, rate_per_token="3/minute", rate_per_address="8/minute"))
    ann, bob = {"Authorization": "Bearer a"}, {"Authorization": "Bearer b"}
    assert [ask("GET", "/api/v1/users/me", headers=ann).status_code for _ in range(4)] == [401, 401, 401, 429]
    refused = ask("GET", "/api/v1/users/me", headers=ann)
    assert code_of(refused) == (429, "rate_limited")
    assert int(refused.headers["retry-after"]) > 0
    assert ask("GET", "/api/v1/users/me", headers=bob).status_code == 401
    assert [ask("GET", "/api/v1/competitions").status_code for _ in range(3)] == [200, 200, 429]
    assert ask("GET", "/healthz").status_code == 200


@pytest.mark.component("redis")
def test_rates_are_shared_through_redis(redis_url: str) -> None:
    rule, key = parse("2/minute"), ("test", "shared")
    first, second = Rates(redis_url), Rates(redis_url)
    assert first.wait_s(rule, *key) is None
    assert second.wait_s(rule, *key) is None
    assert first.wait_s(rule, *key) is not None
    second.forget(rule, *key)
    assert first.wait_s(rule, *key) is None


def test_without_redis_each_process_counts_for_itself() -> None:
    rule, key = parse("2/minute"), ("test", "alone")
    away = Rates("redis://127.0.0.1:1/0")
    assert [away.wait_s(rule, *key) is None for _ in range(4)] == [True, True, False, False]
    assert away.pauses == 1
    away.forget(rule, *key)
    assert away.wait_s(rule, *key) is None


def test_logins_are_throttled_without_redis(tmp_path: Path, slowed: list[float]) -> None:
    ask = asker(build(tmp_path, broker_url="redis://127.0.0.1:1/0"))
    tries = [ask("POST", "/api/v1/session", json={**WRONG, "username": "nobody"}).status_code for _ in range(12)]
    assert tries == [401] * 10 + [429] * 2
