"""A competition in a list, and at the head of its own pages."""

from dataclasses import dataclass
from datetime import datetime

from lethe.server.competitions.phases import Phase
from lethe.server.competitions.schemas import CompetitionRow
from lethe.server.models import Competition
from lethe.server.models.times import utc_now
from lethe.server.pages.formatting import Moment, count_text, moment

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
    """Title, phase and counts of a competition.

    `left` is the time to the next date in words, as `13 days left`, or empty. `since` is when the phase began, of a
    competition that is over. `takes_uploads`: anybody may submit now.
    """

    slug: str
    title: str
    summary: str
    phase: str
    phase_text: str
    left: str
    since: Moment | None
    takes_uploads: bool
    teams: str
    submissions: str


def card(row: CompetitionRow, now: datetime | None = None) -> Card:
    """Return the card of a competition at `now` (aware; default: this moment)."""
    now = now or utc_now()
    phase = Phase(row.phase)
    since = {Phase.CLOSED: row.closed_at, Phase.FINAL: row.closed_at, Phase.REVEALED: row.revealed_at}.get(phase)
    return Card(
        slug=row.slug,
        title=row.title,
        summary=row.summary,
        phase=row.phase,
        phase_text=phase_text(phase, is_benchmark=row.benchmark),
        left=left_text(phase, row, now),
        since=None if since is None else moment(since),
        takes_uploads=phase is Phase.OPEN or row.benchmark,
        teams=count_text(row.teams, "team"),
        submissions=count_text(row.submissions, "submission"),
    )


def left_text(phase: Phase, dates: CompetitionRow | Competition, now: datetime) -> str:
    """Return how long uploads are taken, or when they start, as far as the calendar says it."""
    if phase in {Phase.OPEN, Phase.PAUSED} and dates.public_ends_at is not None:
        return f"{_span_text(dates.public_ends_at, now)} left"
    if phase is Phase.PRACTICE and dates.public_starts_at is not None:
        return f"starts in {_span_text(dates.public_starts_at, now)}"
    return ""


def _span_text(until: datetime, now: datetime) -> str:
    """Return `13 days`, `30 hours` or `5 minutes`: the largest unit of which there are two, rounded down."""
    minutes = max(0, int((until - now).total_seconds() // 60))
    if minutes >= 2 * 24 * 60:
        return count_text(minutes // (24 * 60), "day")
    if minutes >= 2 * 60:
        return count_text(minutes // 60, "hour")
    return count_text(minutes, "minute") if minutes else "less than a minute"
