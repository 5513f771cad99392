"""What other sites and programs read of a competition."""

import html
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from xml.etree.ElementTree import Element, fromstring

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select, update

from lethe.server.context import Context
from lethe.server.leaderboard import board_changes
from lethe.server.models import Announcement, Competition, Standing, Submission
from lethe.server.models.times import utc_now
from lethe.server.pages.rendering import SECURITY_HEADERS
from lethe.server.pages.sharing.citation import bibtex_text
from tests.unit.server.pages.conftest import NAME, Ask, Browser

ATOM = "{http://www.w3.org/2005/Atom}"
FEED = "/competitions/c/feed.atom"
BIB = "/competitions/c/citation.bib"
BADGE = f"/competitions/c/badge.svg?team={quote(NAME)}"
EMBED = "/competitions/c/embed"
ADDRESSES = (FEED, BIB, BADGE, EMBED)


def change(context: Context, how: Callable[[Competition], Any]) -> None:
    with context.database.write() as session:
        board_changes.note(session)  # shows at once, not after a second
        how(session.scalars(select(Competition)).one())


def announce(context: Context, title: str, body: str, when: datetime) -> None:
    with context.database.write() as session:
        found = session.scalars(select(Competition.id)).one()
        session.add(Announcement(competition_id=found, title=title, body=body, created_at=when))


def set_public_url(app: FastAPI, address: str) -> None:
    """As LETHE_PUBLIC_URL would."""
    context: Context = app.state.context
    object.__setattr__(context, "settings", context.settings.model_copy(update={"public_url": address}))


def parsed(answer: httpx.Response) -> Element:
    return fromstring(answer.content)  # noqa: S314 - our own


def texts(element: Element, name: str) -> list[str]:
    return [found.text or "" for found in element.iter(f"{ATOM}{name}")]


@pytest.mark.parametrize("address", ADDRESSES)
def test_unchanged_answers_are_not_sent_again(ask: Ask, competition: Context, address: str) -> None:
    answer = ask(address)
    assert answer.status_code == 200
    assert answer.headers["x-content-type-options"] == "nosniff"
    unchanged = ask(address, if_none_match=answer.headers["etag"])
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_draft_answers_as_nothing_does(ask: Ask, competition: Context, address: str) -> None:
    nothing = ask(address.replace("/c/", "/d/"))
    change(competition, lambda found: setattr(found, "opened_at", None))
    draft = ask(address)
    assert draft.status_code == 404
    assert draft.text.replace("'c'", "'d'") == nothing.text.replace(
        " Did you mean c?", " There is none on this server yet."
    )


def test_a_feed_has_announcements_and_the_first_place(ask: Ask, competition: Context) -> None:
    early = utc_now().replace(microsecond=0) - timedelta(days=2)
    announce(competition, NAME, "*Soon* <b>\x1b", early)
    announce(competition, "Later", "More at https://example.org/", utc_now() + timedelta(days=1))
    answer = ask(FEED)
    assert answer.headers["content-type"] == "application/atom+xml"
    assert answer.headers["content-security-policy"] == SECURITY_HEADERS["Content-Security-Policy"]
    feed = parsed(answer)
    later, first, soon = feed.findall(f"{ATOM}entry")
    assert (texts(later, "title"), texts(soon, "title")) == (["Later"], [NAME])
    assert texts(soon, "content") == ["<p><em>Soon</em> &lt;b&gt;\ufffd</p>\n"]
    assert texts(soon, "updated") == [early.astimezone(UTC).isoformat()]
    assert texts(first, "title") == [f"{NAME} is first in the leaderboard with 0.1230"]
    assert "0.1000 to 0.1500" in texts(first, "content")[0]
    assert texts(feed, "updated")[0] == texts(later, "updated")[0]
    ids = texts(feed, "id")
    assert len(set(ids)) == len(ids) == 4
    assert all(one.startswith("urn:uuid:") for one in ids)
    links = {link.get("rel"): link.get("href") for link in feed.findall(f"{ATOM}link")}
    assert links == {"alternate": "http://lethe.test/competitions/c", "self": f"http://lethe.test{FEED}"}


def test_a_better_score_on_top_is_an_entry_of_its_own(ask: Ask, competition: Context) -> None:
    ids = texts(parsed(ask(FEED)), "id")
    with competition.database.write() as session:
        moment = utc_now().isoformat()
        session.execute(update(Standing).values(score_history=[[moment, 0.1], [moment, 0.12345678]]))
        session.execute(update(Competition).values(title="Anew"))
    feed = parsed(ask(FEED))
    assert texts(feed, "title")[0] == "Anew"
    assert texts(feed, "id")[0] == ids[0]
    (entry,) = feed.findall(f"{ATOM}entry")
    assert texts(entry, "updated") == [utc_now().replace(second=0, microsecond=0).isoformat()]


def test_a_feed_of_an_empty_board_is_as_old_as_the_competition(ask: Ask, competition: Context) -> None:
    with competition.database.write() as session:
        session.query(Standing).delete()
        opened = session.scalars(select(Competition.opened_at)).one()
    feed = parsed(ask(FEED))
    assert opened is not None
    assert texts(feed, "updated") == [opened.isoformat(timespec="seconds")]


def test_addresses_in_a_feed_are_those_of_the_configured_site(ask: Ask, app: FastAPI, competition: Context) -> None:
    set_public_url(app, "https://lethe.example.org/sub")
    assert b"https://lethe.example.org/sub/competitions/c/feed.atom" in ask(FEED).content


@pytest.mark.parametrize("page", ["/competitions/c", "/competitions/c/leaderboard", "/competitions/c/sources"])
def test_pages_of_a_competition_name_its_feed(ask: Ask, competition: Context, page: str) -> None:
    text = ask(page).text
    assert text.count('<link rel="alternate" type="application/atom+xml"') == 1
    assert f'href="{FEED}">' in text
    assert "atom+xml" not in ask("/").text


def fields_of(entry: str) -> dict[str, str]:
    """The fields of a BibTeX entry, whose braces are counted as BibTeX counts them."""
    depth = 0
    for character in entry:
        depth += (character == "{") - (character == "}")
        assert depth >= 0
    assert depth == 0
    return dict(re.findall(r"^  (\w+) = \{(.*)\},$", entry, flags=re.MULTILINE))


@pytest.mark.parametrize(
    ("text", "typeset"),
    [
        ("50% of $x_1$ & #2", r"50\% of \$x\_1\$ \& \#2"),
        ("}, note = {", r"\textbraceright{}, note = \textbraceleft{}"),
        (r"\input{x}~^", r"\textbackslash{}input\textbraceleft{}x\textbraceright{}\textasciitilde{}\textasciicircum{}"),
        ("a\nb\x1b", r"a b\textbackslash{}x1b"),
        ("Grüße <b>", r"Grüße \textless{}b\textgreater{}"),
    ],
)
def test_text_is_text_in_bibtex(text: str, typeset: str) -> None:
    assert bibtex_text(text) == typeset


def test_a_competition_is_cited_with_its_paper(ask: Ask, competition: Context) -> None:
    paper = "https://example.org/a_b?c=%7B"
    change(
        competition,
        lambda found: setattr(found, "specification", found.specification | {"links": {"paper": paper}}),
    )
    answer = ask(BIB)
    assert answer.headers["content-type"].startswith("application/x-bibtex")
    assert answer.text.startswith("@misc{c,\n")
    fields = fields_of(answer.text)
    assert fields["title"] == r"{Title \textless{}b\textgreater{}\&amp;" + "\"'}"
    assert fields["url"] == "http://lethe.test/competitions/c"
    assert fields["note"] == rf"Paper: \url{{{paper}}}"
    page = html.unescape(ask("/competitions/c").text)
    assert answer.text.strip() in page
    assert f'href="{BIB}" download' in page


def test_a_submission_is_cited_after_the_reveal(host: Browser, competition: Context) -> None:
    competition.artifacts.put("s", b"def unlearning(): ...")
    with competition.database.write() as session:
        session.execute(update(Submission).values(method="Fine-tuning {1}", link="https://example.org/{}"))
        identifier = session.scalars(select(Submission.id)).one()
    address = f"/submissions/{identifier}/citation.bib"
    assert host.get(address).status_code == 404
    assert "citation.bib" not in host.get(f"/submissions/{identifier}").text
    change(competition, lambda found: setattr(found, "revealed_at", utc_now()))
    answer = host.get(address)
    assert answer.headers["cache-control"] == "private, no-cache"
    fields = fields_of(answer.text)
    assert fields["title"] == r"{Fine-tuning \textbraceleft{}1\textbraceright{}}"
    assert fields["author"] == r"{\textless{}b\textgreater{}\&amp;" + "\"'}"
    assert fields["note"] == r"\url{https://example.org/%7B%7D}"
    assert fields["url"] == "http://lethe.test/competitions/c"
    page = html.unescape(host.get(f"/submissions/{identifier}").text)
    assert answer.text.strip() in page
    with competition.database.write() as session:
        session.execute(update(Submission).values(licence="MIT"))
    assert fields_of(host.get(address).text)["url"].endswith(f"/competitions/c/sources/{identifier}")


def test_strangers_cite_no_submission(ask: Ask, competition: Context) -> None:
    with competition.database.read() as session:
        identifier = session.scalars(select(Submission.id)).one()
    change(competition, lambda found: setattr(found, "revealed_at", utc_now()))
    assert ask(f"/submissions/{identifier}/citation.bib").status_code == 401


SVG = "{http://www.w3.org/2000/svg}"


def test_a_badge_shows_a_rank_with_a_title(ask: Ask, competition: Context) -> None:
    answer = ask(BADGE)
    assert answer.headers["content-type"] == "image/svg+xml"
    assert answer.headers["cache-control"] == "public, max-age=300"
    assert "sandbox" in answer.headers["content-security-policy"]
    badge = parsed(answer)
    assert (badge.tag, badge.get("height"), badge.get("role")) == (f"{SVG}svg", "20", "img")
    assert badge.get("aria-label") == badge.findtext(f"{SVG}title") == f"c: {NAME} has rank 1 of 1"
    assert [text.text for text in badge.iter(f"{SVG}text")] == ["c", "rank 1 of 1"]


@pytest.mark.parametrize("query", ["", "?team=", "?team=nobody"])
def test_without_a_rank_a_badge_says_so(ask: Ask, competition: Context, query: str) -> None:
    answer = ask(f"/competitions/c/badge.svg{query}", accept="text/html")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "image/svg+xml"
    assert [text.text for text in parsed(answer).iter(f"{SVG}text")] == ["c", "no rank"]
    assert ask(f"/competitions/c/badge.svg{query}", if_none_match=answer.headers["etag"]).status_code == 404


def test_a_badge_has_the_final_rank_after_the_reveal(ask: Ask, competition: Context) -> None:
    change(competition, lambda found: setattr(found, "revealed_at", utc_now()))
    assert ask(BADGE).status_code == 404
    with competition.database.write() as session:
        session.execute(update(Standing).values(evaluation="final", rank=7))
    assert "rank 7 of 1" in ask(BADGE).text


def test_the_page_of_a_team_has_its_badge_to_copy(ask: Ask, competition: Context) -> None:
    page = html.unescape(ask(f"/competitions/c/leaderboard/team?name={quote(NAME)}").text)
    found = re.search(r"\[!\[Rank in c\]\((\S+)\)\]\((\S+)\)", page)
    assert found is not None
    assert [ask(address).status_code for address in found.groups()] == [200, 200]


def open_graph(ask: Ask, page: str) -> dict[str, str]:
    found = re.findall(r'<meta property="og:(.+?)" content="(.*?)">', ask(page).text)
    assert len(dict(found)) == len(found)
    return {name: html.unescape(content) for name, content in found}


def test_previews_of_pages_have_a_title_and_a_picture(ask: Ask, app: FastAPI, competition: Context) -> None:
    here = "http://lethe.test"
    overview = open_graph(ask, "/competitions/c")
    assert overview["title"] == f"Title {NAME} · Lethe"
    assert overview["description"] == f"Summary {NAME}"
    assert overview["url"] == f"{here}/competitions/c"
    assert ask(overview["image"].removeprefix(here)).headers["content-type"] == "image/webp"
    board = open_graph(ask, "/competitions/c/leaderboard?sort=team")
    assert (board["url"], board["image"]) == (
        f"{here}/competitions/c/leaderboard",
        f"{here}/competitions/c/contact-sheet.webp",
    )
    team = open_graph(ask, f"/competitions/c/leaderboard/team?name={quote(NAME)}")
    assert team["description"] == f"{NAME}: rank 1, score 0.1230, 95% interval 0.1000 to 0.1500"
    assert team["url"] == f"{here}/competitions/c/leaderboard/team?view=public&name={quote(NAME)}"
    assert open_graph(ask, "/") == {}
    set_public_url(app, "https://lethe.example.org")
    assert open_graph(ask, "/competitions/c/sources")["url"] == "https://lethe.example.org/competitions/c/sources"


def test_no_preview_shows_photographs_that_are_deleted(ask: Ask, competition: Context) -> None:
    tag = ask("/competitions/c/leaderboard").headers["etag"]
    change(competition, lambda found: setattr(found, "photographs_deleted_at", utc_now()))
    assert ask("/competitions/c/leaderboard", if_none_match=tag).status_code == 200
    for page in ("/competitions/c", "/competitions/c/leaderboard"):
        assert "image" not in open_graph(ask, page)


def test_only_the_embedded_board_may_be_framed(ask: Ask, competition: Context) -> None:
    policy = ask(EMBED).headers["content-security-policy"]
    assert "frame-ancestors *" in policy
    assert "script-src" not in policy
    for address in ("/", "/competitions/c", "/competitions/c/leaderboard", FEED, BIB, "/login"):
        assert "frame-ancestors 'none'" in ask(address).headers["content-security-policy"]


def test_an_embedded_board_knows_nobody_and_has_no_forms(host: Browser, ask: Ask, competition: Context) -> None:
    answer = host.get(EMBED)
    assert answer.text == ask(EMBED).text
    assert "Cookie" not in answer.headers.get("vary", "")
    assert html.escape(NAME).replace("&#x27;", "&#39;").replace("&quot;", "&#34;") in answer.text
    assert not re.search("<(script|form|input|button)", answer.text)
    assert answer.text.count("<b>0.1230</b>") == 1
    assert re.findall(r'<a [^>]*href="(.*?)"', answer.text) == ["/competitions/c/leaderboard"]


def test_an_embedded_board_without_scores_says_so(ask: Ask, competition: Context) -> None:
    with competition.database.write() as session:
        session.query(Standing).delete()
    assert "No team has a score yet." in ask(EMBED).text
    change(competition, lambda found: setattr(found, "revealed_at", utc_now()))
    assert ": final results</h1>" in ask(EMBED).text


def test_the_leaderboard_has_a_frame_to_copy(ask: Ask, competition: Context) -> None:
    snippet = re.search("<code>(.*)</code>", html.unescape(ask("/competitions/c/leaderboard").text))
    assert snippet is not None
    frame = fromstring(snippet[1].replace('loading="lazy">', 'loading="lazy"/>').replace("</iframe>", ""))  # noqa: S314
    assert frame.get("title") == f"Leaderboard of Title {NAME}"
    assert frame.get("src") == f"http://lethe.test{EMBED}"
