"""The list of hosted competitions, and one of them in full, as values for their templates."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy.orm import Session

from lethe.server.accounts.roles import hosted_competitions
from lethe.server.competitions import phases
from lethe.server.competitions import service as competitions
from lethe.server.hosting.overview import Overview
from lethe.server.models import User
from lethe.server.pages.card import Card, card
from lethe.server.pages.formatting import Fact, Moment, count_text, moment, size_text

PARTS = ("retain", "forget", "validation", "test", "identities")


@dataclass(frozen=True)
class HostedLine:
    """A competition that the visitor hosts."""

    card: Card
    standing: str
    edited: Moment | None


@dataclass(frozen=True)
class HostedPage:
    """All competitions of a host, drafts too; of the whole site for an operator."""

    notice: str
    lines: tuple[HostedLine, ...]


@dataclass(frozen=True)
class SplitLine:
    """A split: how many photographs its parts have, and the gap between original and oracles on the forget set."""

    name: str
    counts: tuple[str, ...]
    gap: str


@dataclass(frozen=True)
class DetailsPage:
    """What `lethe admin competition show` prints."""

    card: Card
    standing: str
    facts: tuple[Fact, ...]
    dates: tuple[tuple[str, Moment], ...]
    parts: tuple[str, ...]
    splits: tuple[SplitLine, ...]
    banks: tuple[Fact, ...]
    evaluations: tuple[Fact, ...]
    disk: tuple[Fact, ...]


def hosted_page(session: Session, user: User, *, notice: str = "") -> HostedPage:
    """Return the list, newest first."""
    lines = tuple(
        HostedLine(
            card=card(competitions.row(session, one)),
            standing=phases.describe(one),
            edited=None if one.edited_at is None else moment(one.edited_at),
        )
        for one in hosted_competitions(session, user)
    )
    return HostedPage(notice=notice, lines=lines)


def details_page(shown: Card, found: Overview) -> DetailsPage:
    """Return the page of an overview."""
    size = sum(found.disk.values())
    return DetailsPage(
        card=shown,
        standing=found.state,
        facts=(
            Fact("Hosts", ", ".join(found.hosts) or "operators only"),
            Fact("Hidden photographs", f"{found.photographs:,}"),
            Fact("Teams", f"{found.teams:,}"),
        ),
        dates=tuple((name.removesuffix("_at").replace("_", " "), moment(at)) for name, at in found.dates.items()),
        parts=PARTS,
        splits=tuple(_split(name, counts, found.figures.get(name, {})) for name, counts in found.counts.items()),
        banks=tuple(Fact(one.bank, f"{one.trained:,} of {one.wanted:,} models") for one in found.banks),
        evaluations=tuple(Fact(name, _counted(states)) for name, states in found.submissions.items()),
        disk=(Fact("All", size_text(size)), *(Fact(name, size_text(part)) for name, part in found.disk.items())),
    )


def _split(name: str, counts: Mapping[str, int], figures: Mapping[str, float]) -> SplitLine:
    gap = ""
    if figures:
        original, oracles = figures["original_forget_accuracy"], figures["oracle_forget_accuracy"]
        gap = f"{original:.3f} of the original, {oracles:.3f} of oracles"
    return SplitLine(name, tuple(f"{counts[part]:,}" for part in PARTS), gap)


def _counted(states: Mapping[str, int]) -> str:
    parts = ", ".join(f"{number:,} {state}" for state, number in sorted(states.items()))
    return f"{count_text(sum(states.values()), 'submission')}: {parts}"
