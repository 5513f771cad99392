"""A team's submissions to one competition, as values for the template."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from lethe.evaluator.contract.states import SubmissionState
from lethe.server.competitions.disclosure import round_score
from lethe.server.leaderboard.schemas import LeaderboardRow
from lethe.server.models import Submission
from lethe.server.models.times import utc_now
from lethe.server.pages.card import Card
from lethe.server.pages.changes import ChangeLine, change_line
from lethe.server.pages.formatting import Moment, duration_text, minutes_text, moment, score_text
from lethe.server.pages.headlines import headline
from lethe.server.pages.scale import Scale, scale_for
from lethe.server.pages.submissions.history import ScoreHistory, score_history
from lethe.server.submissions import queries
from lethe.server.submissions.improvement import ScoredSubmission
from lethe.server.submissions.schemas import SubmissionView

SHOWN = 50
"""Submissions on one page of the list."""
MARKED = ("ceiling", "floor")


@dataclass(frozen=True)
class IntervalDrawing:
    """A score with its interval; places in percent of the width."""

    low_x: float
    high_x: float
    score_x: float
    alternative: str


@dataclass(frozen=True)
class SubmissionLine:
    """One submission. `choice` is what can be done about the final evaluation: select, unselect or nothing."""

    id: str
    short_id: str
    filename: str
    method: str
    note: str
    state: str
    headline: str
    score: str
    interval: str
    drawing: IntervalDrawing | None
    standing: str
    best: ChangeLine | None
    last: ChangeLine | None
    created: Moment
    duration: str
    is_selected: bool
    choice: str
    final: str


@dataclass(frozen=True)
class ChosenLine:
    """A submission that the team has selected."""

    id: str
    filename: str
    score: str


@dataclass(frozen=True)
class FullSelections:
    """All selections are used: what was to be selected, and what is."""

    wanted: str
    limit: int
    chosen: tuple[ChosenLine, ...]


@dataclass(frozen=True)
class SubmissionsPage:
    """The whole page. `selection` says how many are selected, or is empty when nobody may select any more."""

    card: Card
    notice: str
    full: FullSelections | None
    selection: str
    history: ScoreHistory | None
    lines: tuple[SubmissionLine, ...]
    can_compare: bool
    older: str
    is_first: bool


def submissions_page(
    card: Card,
    views: Sequence[SubmissionView],
    scored: Sequence[ScoredSubmission],
    references: Sequence[LeaderboardRow],
    *,
    notice: str,
    full: FullSelections | None,
    selection: str,
    cursor: str | None,
    older: str | None,
) -> SubmissionsPage:
    """Return the page of `views`; `scored` are all scores of the team, `references` the board's.

    `cursor` is that of this page and `older` that of the next one. All scores are drawn on one scale.
    """
    marks = [row for row in references if row.reference in MARKED]
    ends = [end for one in scored for end in (round_score(one.interval_low), round_score(one.interval_high))]
    scale = scale_for([*ends, *(row.score for row in marks)])
    return SubmissionsPage(
        card=card,
        notice=notice,
        full=full,
        selection=selection,
        history=score_history(scored, marks, scale),
        lines=tuple(_line(one, scale, can_select=bool(selection)) for one in views),
        can_compare=len(scored) > 1,
        older="" if older is None else f"/competitions/{card.slug}/submissions?cursor={older}",
        is_first=cursor is None,
    )


def full_selections(session: Session, wanted: Submission, limit: int) -> FullSelections | None:
    """Return what stands in the way of selecting `wanted`; None if nothing does."""
    chosen = queries.selected(session, wanted.team_id)
    if wanted.selected_at is not None or len(chosen) < limit:
        return None
    scores = queries.scored_submissions.rows(session, team_id=wanted.team_id)
    found = {row.submission_id: score_text(round_score(row.final_score)) for row in scores}
    lines = tuple(ChosenLine(str(one.id), one.filename, found.get(one.id, "")) for one in chosen)
    return FullSelections(wanted=wanted.filename, limit=limit, chosen=lines)


def _line(view: SubmissionView, scale: Scale, *, can_select: bool) -> SubmissionLine:
    state = SubmissionState(view.state)
    is_selectable = can_select and not view.disqualified and state not in queries.UNSELECTABLE
    choice = "unselect" if view.selected else "select"
    final = view.final
    return SubmissionLine(
        id=str(view.id),
        short_id=str(view.id)[:8],
        filename=view.filename,
        method=view.method or "",
        note=view.note or "",
        state=view.state,
        headline="Disqualified" if view.disqualified else headline(view),
        score="" if view.score is None else score_text(view.score),
        interval=""
        if view.interval is None
        else f"{score_text(view.interval.low)} to {score_text(view.interval.high)}",
        drawing=_drawing(view, scale),
        standing=standing_text(view),
        best=change_line(view.against_best),
        last=change_line(view.against_last),
        created=moment(view.created_at),
        duration=_duration(view),
        is_selected=view.selected,
        choice=choice if is_selectable else "",
        final="" if final is None or final.score is None else score_text(final.score),
    )


def standing_text(view: SubmissionView) -> str:
    """Return `Your best, rank 3`, or nothing for a submission that is not the team's best."""
    if not view.is_best:
        return ""
    return "Your best" if view.rank is None else f"Your best, {rank_text(view, view.rank)}"


def rank_text(view: SubmissionView, rank: int) -> str:
    """Return `rank 3`; after the reveal, which shows the score's parts, with the board's name: final ranks differ."""
    return f"rank {rank:,}" if view.metric is None else f"rank {rank:,} on the public board"


def elapsed_text(since: datetime) -> str:
    """Return the time since then in whole minutes."""
    return minutes_text((utc_now() - since).total_seconds())


def _duration(view: SubmissionView) -> str:
    """Return the time from the upload to the end, which is known to the minute, or until now and what may follow."""
    if view.finished_at is None:
        left = "" if view.eta_s is None else f", about {duration_text(view.eta_s)} to go"
        return f"{elapsed_text(view.created_at)} so far{left}"
    return minutes_text((view.finished_at - view.created_at).total_seconds())


def _drawing(view: SubmissionView, scale: Scale) -> IntervalDrawing | None:
    if view.score is None or view.interval is None:
        return None
    low, high = view.interval.low, view.interval.high
    return IntervalDrawing(
        low_x=scale.x(low),
        high_x=scale.x(high),
        score_x=scale.x(view.score),
        alternative=f"{score_text(view.score)}, 95% interval {score_text(low)} to {score_text(high)}",
    )
