"""Published sources, as values for their templates."""

from dataclasses import dataclass

from lethe.evaluator.contract.states import Evaluation
from lethe.server.pages.card import Card
from lethe.server.pages.formatting import Outward, outward
from lethe.server.pages.source_view import Line
from lethe.server.submissions.publication import PublishedSource


@dataclass(frozen=True)
class SourceLine:
    """One published source."""

    id: str
    team: str
    filename: str
    method: str
    link: Outward
    licence: str
    is_after_deadline: bool


@dataclass(frozen=True)
class SourcesPage:
    """The published sources of a competition; `following` is the address of the next page, or empty."""

    card: Card
    lines: tuple[SourceLine, ...]
    following: str


@dataclass(frozen=True)
class SourcePage:
    """A published source; `download` is the address of the file."""

    card: Card
    about: SourceLine
    lines: tuple[Line, ...]
    download: str


def sources_page(card: Card, found: list[PublishedSource], following: str | None) -> SourcesPage:
    """Return the list of the sources `found`; `following` is the cursor of the next page."""
    address = f"/competitions/{card.slug}/sources?cursor={following}"
    return SourcesPage(card, tuple(_line(one) for one in found), "" if following is None else address)


def source_page(card: Card, found: PublishedSource, lines: tuple[Line, ...]) -> SourcePage:
    """Return the page of one source."""
    return SourcePage(card, _line(found), lines, f"/api/v1/competitions/{card.slug}/sources/{found.id}")


def _line(found: PublishedSource) -> SourceLine:
    return SourceLine(
        id=str(found.id),
        team=found.team,
        filename=found.filename,
        method=found.method or "",
        link=outward(found.link),
        licence=found.licence,
        is_after_deadline=found.evaluation == Evaluation.BENCHMARK,
    )
