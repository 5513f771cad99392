"""The pages as they leave the server: what they say, escape and keep to themselves, and how they are cached."""

import html
import io
import re
from collections.abc import Callable

import httpx
import pytest
from fastapi import FastAPI
from PIL import Image

from lethe.server.competitions import service as competitions
from lethe.server.context import Context
from lethe.server.leaderboard import board_changes
from lethe.server.models import Competition
from lethe.server.models.times import utc_now
from lethe.server.pages.rendering import SECURITY_HEADERS, asset

Ask = Callable[..., httpx.Response]

PAGES = ("/", "/competitions/c", "/competitions/c/leaderboard")
NAME = "<b>&amp;\"'"
HIDDEN = ("31337", "0.98765", "0.87654", "0.76543", "12345678", "bankdigest", "receipt", "epsilon", "secret")


@pytest.mark.parametrize("path", PAGES)
def test_pages_answer_with_security_headers(ask: Ask, competition: Context, path: str) -> None:
    answer = ask(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    for name, value in SECURITY_HEADERS.items():
        assert answer.headers[name] == value
    assert "unsafe" not in answer.headers["content-security-policy"]


@pytest.mark.parametrize("path", PAGES)
def test_what_strangers_wrote_is_escaped(ask: Ask, competition: Context, path: str) -> None:
    text = ask(path).text
    assert NAME not in text
    assert html.escape(NAME).replace("&#x27;", "&#39;").replace("&quot;", "&#34;") in text


@pytest.mark.parametrize("path", PAGES)
def test_nothing_hidden_is_said(ask: Ask, competition: Context, path: str) -> None:
    text = ask(path).text
    found = [word for word in HIDDEN if word in text]
    assert found == []
    with competition.database.read() as session:
        assert competitions.get_competition(session, "c").secret not in text


@pytest.mark.parametrize("path", PAGES)
def test_pages_work_for_head_and_answer_304_when_unchanged(ask: Ask, competition: Context, path: str) -> None:
    tag = ask(path).headers["etag"]
    assert ask(path, method="HEAD").headers["etag"] == tag
    unchanged = ask(path, if_none_match=f'"other", {tag}')
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert unchanged.headers["content-security-policy"] == SECURITY_HEADERS["Content-Security-Policy"]
    assert ask(path, if_none_match='"other"').status_code == 200


def test_a_change_is_a_new_page(ask: Ask, competition: Context) -> None:
    tag = ask("/competitions/c/leaderboard").headers["etag"]
    _change(competition, lambda found: setattr(found, "closed_at", utc_now()))
    answer = ask("/competitions/c/leaderboard", if_none_match=tag)
    assert answer.status_code == 200
    assert "Closed" in answer.text
    assert answer.headers["etag"] != tag


def test_the_tag_in_the_page_is_the_one_in_the_header(ask: Ask, competition: Context) -> None:
    answer = ask("/competitions/c/leaderboard")
    found = re.search(r'data-etag="([^"]+)"', answer.text)
    assert found is not None
    assert html.unescape(found[1]) == answer.headers["etag"]


def test_overview_says_what_participants_need(ask: Ask, competition: Context) -> None:
    text = html.unescape(re.sub(r"<[^>]+>", " ", ask("/competitions/c").text))
    for needed in (
        "unlearning(net, retain, forget, validation)",
        "468 images",
        "72 images",
        "60 images",
        "128 KiB",
        "2 GiB",
        "60 s",
        "2.15.0",
        "lethe submit submission.py -c c --watch",
        "http://lethe.test/api/v1/competitions/c/submissions",
        "http://lethe.test/api/v1/users",
        "0.1230",
    ):
        assert needed in text


def test_home_without_competitions(ask: Ask) -> None:
    text = ask("/").text
    assert "No competition is open on this server yet" in text
    assert "lethe submit" not in text


def test_commands_are_offered_only_while_open(ask: Ask, competition: Context) -> None:
    assert "lethe submit submission.py -c c --watch" in ask("/").text
    _change(competition, lambda found: setattr(found, "closed_at", utc_now()))
    assert "lethe submit" not in ask("/").text


def test_contact_sheet_is_kept_and_asked_again(ask: Ask, competition: Context) -> None:
    path = "/competitions/c/contact-sheet.webp"
    answer = ask(path)
    assert answer.headers["content-type"] == "image/webp"
    assert Image.open(io.BytesIO(answer.content)).size == (30, 20)
    assert answer.headers["cache-control"] == "public, max-age=3600"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert ask(path, if_none_match=answer.headers["etag"]).status_code == 304
    page = ask("/competitions/c").text
    assert f"{path}?v=" in page
    assert 'width="30" height="20"' in page


def test_missing_contact_sheet_is_not_found(ask: Ask, competition: Context) -> None:
    def lose(found: Competition) -> None:
        sheet = {"key": "lost.png", "sha256": "0" * 64}
        found.prepared = {**found.prepared, "contact_sheet": sheet}

    _change(competition, lose)
    assert ask("/competitions/c/contact-sheet.webp").status_code == 404


@pytest.mark.parametrize(
    "path", ["/competitions/x", "/competitions/x/leaderboard", "/competitions/x/contact-sheet.webp"]
)
def test_unknown_competitions_are_not_found(ask: Ask, competition: Context, path: str) -> None:
    assert ask(path).status_code == 404


def test_the_list_lives_at_the_root(ask: Ask) -> None:
    answer = ask("/competitions")
    assert (answer.status_code, answer.headers["location"]) == (308, "/")


def test_static_files_are_kept_only_under_their_version(ask: Ask) -> None:
    current = asset("site.css")
    assert "immutable" in ask(current).headers["cache-control"]
    assert ask("/static/site.css").headers["cache-control"] == "no-cache"
    assert ask("/static/site.css?v=other").headers["cache-control"] == "no-cache"
    assert ask(current).headers["content-type"].startswith("text/css")
    assert ask(asset("favicon.svg")).headers["content-type"].startswith("image/svg+xml")
    assert ask(asset("leaderboard.js")).headers["x-content-type-options"] == "nosniff"
    assert ask("/static/../endpoints.py").status_code == 404


def test_pages_are_no_part_of_the_api_document(app: FastAPI) -> None:
    assert not any(path in app.openapi()["paths"] for path in ("/", "/competitions/{slug}"))


def _change(context: Context, change: Callable[[Competition], None]) -> None:
    with context.database.write() as session:
        board_changes.note(session)  # shows at once what this process changed, not after a second
        change(competitions.get_competition(session, "c"))
