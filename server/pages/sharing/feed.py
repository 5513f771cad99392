"""The Atom feed of a competition (RFC 4287): what its host announces, and who is first on its board."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from uuid import UUID, uuid5
from xml.etree.ElementTree import Element, SubElement, tostring

from lethe.evaluator.contract.states import Evaluation
from lethe.server.leaderboard.board_page import BoardPage, TeamRow
from lethe.server.models import Announcement, Competition
from lethe.server.pages.formatting import score_text
from lethe.server.pages.markdown import markdown
from lethe.server.plain_text import one_line

ATOM = "http://www.w3.org/2005/Atom"
MEDIA_TYPE = "application/atom+xml"
MOST_ANNOUNCEMENTS = 50
_NOT_XML = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Entry:
    """One entry; `id` stays the same wherever the feed is read, `html` is its content."""

    id: UUID
    title: str
    address: str
    updated: datetime
    html: str


def competition_feed(
    competition: Competition,
    announced: Sequence[Announcement],
    standings: BoardPage,
    evaluation: Evaluation,
    page: str,
) -> bytes:
    """Return the feed of a published competition as UTF-8; `page` is the address of its overview.

    `standings` is the first page of the board of `evaluation`. Numbers and times are those that the pages show.
    """
    entries = [
        Entry(one.id, one.title, f"{page}#news", one.created_at, str(markdown(one.body)))
        for one in announced[:MOST_ANNOUNCEMENTS]
    ]
    first = next((row for row in standings.rows if isinstance(row, TeamRow)), None)
    if first is not None:
        entries.append(_first_place(competition.id, first, evaluation, page))
    entries.sort(key=lambda entry: entry.updated, reverse=True)
    assert competition.opened_at is not None  # noqa: S101 - it is published
    updated = entries[0].updated if entries else competition.opened_at
    feed = Element("feed", {"xmlns": ATOM})
    _head(feed, competition.id, competition.title, page, updated)
    SubElement(feed, "link", {"rel": "self", "type": MEDIA_TYPE, "href": f"{page}/feed.atom"})
    SubElement(SubElement(feed, "author"), "name").text = "Lethe"
    for entry in entries:
        element = SubElement(feed, "entry")
        _head(element, entry.id, entry.title, entry.address, entry.updated)
        SubElement(element, "content", {"type": "html"}).text = _xml_text(entry.html)
    content: bytes = tostring(feed, encoding="utf-8", xml_declaration=True)
    return content


def _first_place(competition_id: UUID, first: TeamRow, evaluation: Evaluation, page: str) -> Entry:
    """Return the entry of the team on top; another one, with another id, when a team or a better score takes its place.

    Its time is that of the score, not of the change: a team may also get there because another one is taken off.
    """
    line = first.line
    when = first.best[-1][0] if first.best else line.last_scored_at
    assert when is not None  # noqa: S101 - a ranked team has a score
    score, low, high = (score_text(value) for value in (line.score, line.interval.low, line.interval.high))
    board = "the final results" if evaluation is Evaluation.FINAL else "the leaderboard"
    shared = " Other teams share its rank." if first.is_shared else ""
    return Entry(
        id=uuid5(competition_id, f"{evaluation} {when.isoformat()} {score} {line.team}"),
        title=f"{line.team} is first in {board} with {score}",
        address=f"{page}/leaderboard?view={evaluation}",
        updated=when,
        html=f"<p>{escape(line.team)}: score {score}, 95% interval {low} to {high}.{shared}</p>",
    )


def _head(element: Element, identity: UUID, title: str, address: str, updated: datetime) -> None:
    SubElement(element, "id").text = f"urn:uuid:{identity}"
    SubElement(element, "title").text = _xml_text(one_line(title))
    SubElement(element, "link", {"rel": "alternate", "type": "text/html", "href": address})
    SubElement(element, "updated").text = updated.isoformat(timespec="seconds")


def _xml_text(text: str) -> str:
    """Return `text` without what XML 1.0 cannot hold, escaped or not."""
    return _NOT_XML.sub("\ufffd", text)
