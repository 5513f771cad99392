"""Nobody who is not known yet makes the server work in proportion to what they send, or keeps it waiting."""

import contextlib
import json
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import Engine, event

from lethe.server.http import body_limit, protocol
from tests.integration.server.conftest import SLUG, Site

pytestmark = [pytest.mark.component("postgresql"), pytest.mark.one_database]
MIB = 2**20


def json_bodies() -> Iterator[bytes]:
    yield b"[" + b"0," * (2 * MIB) + b"0]"
    yield b"[" + b"{}," * MIB + b"{}]"
    yield b'{"username":"x","password":"y","z":[' + b"{}," * MIB + b"{}]}"


def test_json_is_not_parsed_beyond_64_kib(site: Site) -> None:
    """On every call that takes JSON, known sender or not, declared or in chunks."""
    calls = ("/users", "/session", "/tokens", f"/competitions/{SLUG}/teams", "/users/me/password")
    with site.register("ann") as ann:
        for call in calls:
            for body in json_bodies():
                for content in (body, iter((body[: MIB // 2], body[MIB // 2 :]))):
                    answer = ann.post(call, content=content, headers={"Content-Type": "application/json"})
                    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large"), (call, answer.text)
        largest = json.dumps({"username": "x" * (body_limit.JSON_BYTES - 100), "password": "y"}).encode()
        assert ann.post("/session", content=largest).status_code == 422


def test_a_form_takes_the_longest_announcement(site: Site) -> None:
    form = {"title": "t", "body": "\N{CUNEIFORM SIGN A}" * 10_000, "csrf_token": "x"}
    with httpx.Client(base_url=site.url) as browser:
        assert browser.post("/host/faces/announce", data=form).status_code == 401
        form["body"] *= 2
        assert browser.post("/host/faces/announce", data=form).status_code == 413


def test_workers_bodies_are_read_after_their_key_and_nobody_elses(site: Site, engine_writes: list[str]) -> None:
    body = b'{"z":[' + b"{}," * (4 * MIB) + b"{}]}"
    address = f"{site.url}/internal/v1/work"
    for headers in ({}, {"Authorization": "Bearer lethew_unknown"}, {"Authorization": "Basic eDp5"}):
        for call in ("register", "claim", "heartbeat", "outcome", "leave"):
            answer = httpx.post(f"{address}/{call}", content=body, headers=headers, timeout=60)
            assert answer.status_code == 401, (call, answer.text)
            assert answer.json()["code"] in {"token_missing", "worker_key_invalid"}
    assert engine_writes == []  # no transaction that writes, which on SQLite waits for all others
    assert site.send("claim", body).status_code == 422  # a known key's body is read


@pytest.fixture
def engine_writes(site: Site) -> Iterator[list[str]]:
    """The statements of the application's transactions that lock or write from here on."""
    found: list[str] = []
    engine: Engine = site.context.database.engine

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith(("BEGIN IMMEDIATE", "INSERT", "UPDATE", "DELETE")) or "FOR UPDATE" in statement:
            found.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    yield found
    event.remove(engine, "before_cursor_execute", note)


def test_unknown_worker_keys_are_limited_and_known_ones_are_not(site: Site) -> None:
    headers = {"Authorization": "Bearer lethew_unknown"}
    with httpx.Client(base_url=f"{site.url}/internal/v1/work", headers=headers, timeout=60) as stranger:
        answers = [stranger.post("/claim", json={"worker": "w"}) for _ in range(70)]
    assert {answer.status_code for answer in answers} == {401, 429}
    assert answers[-1].headers["Retry-After"]
    assert site.enlist().status_code == 200


def test_an_early_answer_reaches_a_client_that_writes_first(site: Site) -> None:
    """As urllib does: it sees a reset if the server closes while bytes are on their way."""
    for path, size, status in (
        ("/api/v1/session", 12 * MIB, 413),
        (f"/api/v1/competitions/{SLUG}/submissions", 8 * MIB, 401),
        (f"/api/v1/competitions/{SLUG}/submissions", 20 * MIB, 413),
        ("/internal/v1/work/claim", 8 * MIB, 401),
    ):
        request = urllib.request.Request(site.url + path, data=b" " * size, method="POST")  # noqa: S310 - loopback
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=60)  # noqa: S310
        assert refused.value.code == status
        refused.value.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A protocol that waits a second where it waits ten."""
    monkeypatch.setattr(protocol, "HEAD_S", 1.0)
    monkeypatch.setattr(protocol, "BODY_STEP_S", 1.0)


SLOW = {
    "silent": (b"", b""),
    "slow head": (b"GET /healthz HTTP/1.1\r\nHost: x\r\n", b"X: y\r\n"),
    "slow body": (b"POST /api/v1/session HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n", b"x" * 20),
    "slow body nobody reads": (b"POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n", b"x" * 20),
    "empty lines after an answer": (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", b"\r\n"),
}


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("kind", SLOW)
def test_slow_and_silent_clients_are_cut_off(site: Site, kind: str) -> None:
    first, drop = SLOW[kind]
    address = urlsplit(site.url)
    with socket.create_connection((address.hostname, address.port or 80), timeout=60) as connection:
        connection.sendall(first)
        connection.settimeout(0.2)
        end_at = time.monotonic() + 60
        while time.monotonic() < end_at:
            try:
                if drop:
                    connection.sendall(drop)
                if not connection.recv(65536):
                    return
            except TimeoutError:
                continue
            except ConnectionError:
                return
    pytest.fail("still connected after a minute")


@pytest.mark.usefixtures("impatient")
def test_a_body_that_arrives_steadily_is_not_cut_off(site: Site) -> None:
    address = urlsplit(site.url)
    with socket.create_connection((address.hostname, address.port or 80), timeout=60) as connection:
        connection.sendall(b"POST /api/v1/session HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n")
        for _ in range(20):
            connection.sendall(b"x" * 3_000)
            time.sleep(0.2)
        assert connection.recv(65536).startswith(b"HTTP/1.1 422")


def test_connections_are_bounded_in_all_and_from_one_address(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    address = urlsplit(site.url)
    for limit in ("connections_limit", "per_address_limit"):
        with monkeypatch.context() as patch, httpx.Client(base_url=site.url, timeout=60) as first:
            first.get("/healthz")
            patch.setattr(protocol.BoundedHttp, limit, 3)
            held = [socket.create_connection((address.hostname, address.port or 80), timeout=60) for _ in range(6)]
            held[-1].settimeout(60)
            with contextlib.suppress(ConnectionError):
                assert held[-1].recv(1) == b""  # closed at once
            assert first.get("/healthz").status_code == 200  # those that are open stay
            for one in held:
                one.close()
    end_at = time.monotonic() + 60
    while httpx.get(f"{site.url}/healthz", timeout=60).status_code != 200:
        assert time.monotonic() < end_at
