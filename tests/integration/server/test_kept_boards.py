"""Boards that are kept in memory: who gets the kept answer, in which form, and what ends it."""

import gzip
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import select, update

from lethe.server.leaderboard import response_cache
from lethe.server.leaderboard.standings import mark_board_changed
from lethe.server.models import Competition
from lethe.server.security.sessions import COOKIE
from tests.integration.server.conftest import SLUG, Site, upload

BOARD = f"/api/v1/competitions/{SLUG}/leaderboard"
PAGE = f"/competitions/{SLUG}/leaderboard"


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """SQLite alone: what is kept is kept in front of any database."""
    return f"sqlite:///{tmp_path / 'lethe.db'}"


@pytest.fixture
def anybody(site: Site, monkeypatch: pytest.MonkeyPatch) -> httpx.Client:
    """A client of a site that asks again for nothing which it keeps."""
    monkeypatch.setattr(response_cache, "KEPT_S", 3600.0)
    return httpx.Client(base_url=site.url, timeout=30)


def retitle(site: Site, title: str, *, noted: bool) -> None:
    """Change what the board shows, as this process does it or as another one."""
    with site.context.database.write() as session:
        competition = session.scalars(select(Competition)).one()
        competition.title = title
        if noted:
            mark_board_changed(session, competition.id)
        else:
            session.execute(update(Competition).values(board_version=Competition.board_version + 1))


def test_what_this_process_changes_shows_at_once_and_what_others_change_after_a_while(
    site: Site, anybody: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    with anybody:
        first = anybody.get(BOARD).json()["title"]
        retitle(site, "By another process", noted=False)
        assert anybody.get(BOARD).json()["title"] == first
        monkeypatch.setattr(response_cache, "KEPT_S", 0.0)
        assert anybody.get(BOARD).json()["title"] == "By another process"
        monkeypatch.setattr(response_cache, "KEPT_S", 3600.0)
        retitle(site, "By this process", noted=True)
        assert anybody.get(BOARD).json()["title"] == "By this process"
        assert "By this process" in anybody.get(PAGE).text


@pytest.mark.parametrize("path", [BOARD, PAGE])
def test_every_form_of_an_answer_is_the_same_answer(site: Site, anybody: httpx.Client, path: str) -> None:
    with anybody, site.register("ann") as ann:
        upload(ann)
        site.evaluate()
        plain = anybody.get(path, headers={"Accept-Encoding": "identity"})
        with anybody.stream("GET", path, headers={"Accept-Encoding": "gzip"}) as answer:
            raw = b"".join(answer.iter_raw())
            encoding = answer.headers.get("content-encoding")
        assert (gzip.decompress(raw) if encoding == "gzip" else raw) == plain.content
        assert "Accept-Encoding" in plain.headers["vary"]
        known = anybody.get(path, headers={"If-None-Match": f'"other", {plain.headers["etag"]}'})
        assert (known.status_code, known.content) == (304, b"")
        assert anybody.get(path, headers={"If-None-Match": '"other"'}).content == plain.content


def test_a_visitor_and_the_next_stranger_each_get_their_own_page(site: Site, anybody: httpx.Client) -> None:
    site.register("zuleika").close()
    with anybody, httpx.Client(base_url=site.url, timeout=30) as zuleika:
        assert "zuleika" not in anybody.get(PAGE).text
        login = zuleika.post("/api/v1/session", json={"username": "zuleika", "password": "correct horse"})
        assert login.status_code in {200, 201}, login.text
        assert any(name.startswith(COOKIE) for name in zuleika.cookies)
        assert "zuleika" in zuleika.get(PAGE).text
        assert "zuleika" not in anybody.get(PAGE).text


def test_what_a_board_does_not_depend_on_makes_no_other_one(
    site: Site, anybody: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bytes] = []
    ask = response_cache.BoardCache._ask

    async def note(self: Any, key: Any, scope: Any, kept: Any) -> Any:
        asked.append(key[1])
        return await ask(self, key, scope, kept)

    monkeypatch.setattr(response_cache.BoardCache, "_ask", note)
    with anybody:
        for path in (BOARD, PAGE):
            first = anybody.get(path)
            for query in ("x=1", "x=2&y=3", "view=final&view=public", "view=public", "%76iew=public&x=4"):
                answer = anybody.get(f"{path}?{query}")
                assert (answer.status_code, answer.headers["etag"] != "") == (200, True)
            assert anybody.get(f"{path}?x=5").content == first.content
            assert anybody.get(f"{path}?{'x' * 600}=1").status_code == 200
        assert anybody.get(f"{PAGE}?q=ann").status_code == 200
    assert asked == [b"", b"view=public"] * 2


def test_a_second_host_header_is_not_answered_from_what_is_kept(site: Site, anybody: httpx.Client) -> None:
    with anybody:
        address = urlsplit(site.url)
        for hosts in ((b"a.example", b"b.example"), (b"b.example",), (b"a.example",)):
            lines = b"".join(b"Host: %s\r\n" % host for host in hosts)
            with socket.create_connection((address.hostname, address.port or 80), timeout=60) as connection:
                connection.sendall(b"GET %s HTTP/1.1\r\n%sConnection: close\r\n\r\n" % (PAGE.encode(), lines))
                answer = b"".join(iter(lambda: connection.recv(65536), b""))
            others = {b"a.example", b"b.example"} - {hosts[0]}
            assert not any(other in answer for other in others), hosts


def test_a_refusal_is_not_kept(site: Site, anybody: httpx.Client) -> None:
    with anybody:
        for _ in range(2):
            assert anybody.get(f"{BOARD}?view=final").status_code == 404
        missing = anybody.get("/api/v1/competitions/nothing/leaderboard")
        assert (missing.status_code, missing.headers["content-type"]) == (404, "application/problem+json")
