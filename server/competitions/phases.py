"""The calendar of a competition: which phase it is in, until when uploads are taken, and how late one came."""

from datetime import datetime
from enum import StrEnum

from lethe.evaluator.contract.phrases import span_text, time_text
from lethe.evaluator.contract.states import Evaluation
from lethe.server.errors import Forbidden
from lethe.server.models import Competition
from lethe.server.models.times import utc_now


class Phase(StrEnum):
    """The phase of a competition; derived from the clock and the host's actions, never stored."""

    DRAFT = "draft"
    PRACTICE = "practice"
    OPEN = "open"
    PAUSED = "paused"
    CLOSED = "closed"
    FINAL = "final"
    REVEALED = "revealed"


class CompetitionNotStarted(Forbidden):
    """Uploads are taken only from the start of the public phase."""

    code = "competition_not_started"
    title = "Competition has not started"


class CompetitionPaused(Forbidden):
    """The host takes no uploads for a while."""

    code = "competition_paused"
    title = "Competition is paused"


class CompetitionClosed(Forbidden):
    """The upload came after the end."""

    code = "competition_closed"
    title = "Competition is closed"


def phase(competition: Competition, now: datetime | None = None) -> Phase:
    """Return the phase at `now` (aware; default: this moment)."""
    now = now or utc_now()
    if competition.opened_at is None:
        return Phase.DRAFT
    if competition.revealed_at is not None:
        return Phase.REVEALED
    if competition.finals_started_at is not None:
        return Phase.FINAL
    end = ends_at(competition)
    if end is not None and now >= end:
        return Phase.CLOSED
    if competition.paused_at is not None:
        return Phase.PAUSED
    if competition.public_starts_at is not None and now < competition.public_starts_at:
        return Phase.PRACTICE
    return Phase.OPEN


def ends_at(competition: Competition) -> datetime | None:
    """Return the end of uploads: the planned end or the host's early close, whichever is earlier; None: unknown."""
    ends = [moment for moment in (competition.public_ends_at, competition.closed_at) if moment is not None]
    return min(ends, default=None)


def is_benchmark(competition: Competition) -> bool:
    """Return whether uploads are taken after the reveal, on a board of their own."""
    return competition.benchmark_started_at is not None and competition.benchmark_ended_at is None


def evaluation_of_uploads(competition: Competition) -> Evaluation:
    """Return the evaluation that uploads belong to: the public one, and once there is a benchmark that one."""
    return Evaluation.PUBLIC if competition.benchmark_started_at is None else Evaluation.BENCHMARK


def phase_of(competition: Competition, evaluation: str) -> Phase:
    """Return the phase whose rules of disclosure hold for a submission of `evaluation`.

    What a benchmark runs is never revealed: somebody may ask it for years.
    """
    return Phase.OPEN if evaluation == Evaluation.BENCHMARK else phase(competition)


def shown_first(competition: Competition) -> Evaluation:
    """Return the board that pages show first: the final one after the reveal."""
    return Evaluation.FINAL if phase(competition) is Phase.REVEALED else Evaluation.PUBLIC


def require_open(competition: Competition, now: datetime | None = None) -> None:
    """Raise a refusal that names the time unless uploads are taken at `now`."""
    now = now or utc_now()
    if phase(competition, now) is not Phase.OPEN and not is_benchmark(competition):
        raise _refusal(competition, now)


def _refusal(competition: Competition, now: datetime) -> Forbidden:
    """Return why the competition takes no uploads at `now`, with the time."""
    current = phase(competition, now)
    if current is Phase.PAUSED:
        return CompetitionPaused(f"The host has paused {competition.slug}: it takes no uploads now. Try again later.")
    if competition.benchmark_ended_at is not None:
        return CompetitionClosed(
            f"The benchmark of {competition.slug} ended on {time_text(competition.benchmark_ended_at)}."
        )
    end = ends_at(competition)
    if current in {Phase.DRAFT, Phase.PRACTICE} or end is None:
        start = competition.public_starts_at
        when = (
            f" until {time_text(start)}, in {span_text(start - now)}" if start is not None and start > now else " yet"
        )
        return CompetitionNotStarted(f"{competition.slug} takes no uploads{when}.")
    return CompetitionClosed(
        f"{competition.slug} closed on {time_text(end)}. This upload came {span_text(now - end)} late."
    )


def may_choose(competition: Competition, now: datetime | None = None) -> bool:
    """Return whether teams may still select submissions for the finals: while uploads are, or will be, taken."""
    return phase(competition, now) in {Phase.PRACTICE, Phase.OPEN, Phase.PAUSED}


def require_not_over(competition: Competition, now: datetime | None = None) -> None:
    """Raise CompetitionClosed once no more uploads will be taken before the finals, CompetitionNotStarted for a draft.

    A benchmark changes nothing about that.
    """
    if not may_choose(competition, now):
        raise _refusal(competition, now or utc_now())


def require_teams_form(competition: Competition) -> None:
    """Raise as `require_not_over` unless teams may form: while uploads are, or will be, taken."""
    if not is_benchmark(competition):
        require_not_over(competition)


def describe(competition: Competition, now: datetime | None = None) -> str:
    """Return one sentence for the host: the phase and the next date of the calendar."""
    now = now or utc_now()
    current = phase(competition, now)
    end = ends_at(competition)
    text = f"{competition.slug} is {current.value}"
    start = competition.public_starts_at
    if current is Phase.PRACTICE and start is not None:
        text += f"; uploads start at {time_text(start)}, in {span_text(start - now)}"
    elif current is Phase.OPEN and end is not None:
        text += f"; uploads end at {time_text(end)}, in {span_text(end - now)}"
    elif current is Phase.CLOSED and end is not None:
        text += f" since {time_text(end)}"
    elif competition.benchmark_started_at is not None:
        stopped = competition.benchmark_ended_at
        since = time_text(competition.benchmark_started_at)
        text += (
            f"; it is a benchmark since {since}" if stopped is None else f"; its benchmark ended {time_text(stopped)}"
        )
    return f"{text}."
