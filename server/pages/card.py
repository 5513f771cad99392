"""A competition in a list, and at the head of its own pages."""

from dataclasses import dataclass

from lethe.server.competitions.phases import Phase
from lethe.server.competitions.schemas import CompetitionRow
from lethe.server.pages.formatting import count_text

PHASES = {
    Phase.DRAFT: "Not open yet",
    Phase.PRACTICE: "Not started yet",
    Phase.OPEN: "Open",
    Phase.PAUSED: "Paused",
    Phase.CLOSED: "Closed",
    Phase.FINAL: "Final evaluation",
    Phase.REVEALED: "Final results",
}


def phase_text(phase: Phase, *, is_benchmark: bool) -> str:
    """Return the phase in words; `is_benchmark`: it takes uploads after the reveal."""
    return f"{PHASES[phase]}, open as a benchmark" if is_benchmark else PHASES[phase]


@dataclass(frozen=True)
class Card:
    """Title, phase and counts of a competition."""

    slug: str
    title: str
    summary: str
    phase: str
    phase_text: str
    teams: str
    submissions: str


def card(row: CompetitionRow) -> Card:
    """Return the card of a competition."""
    return Card(
        slug=row.slug,
        title=row.title,
        summary=row.summary,
        phase=row.phase,
        phase_text=phase_text(Phase(row.phase), is_benchmark=row.benchmark),
        teams=count_text(row.teams, "team"),
        submissions=count_text(row.submissions, "submission"),
    )
