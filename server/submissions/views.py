"""Turns stored submissions into what their team may see, under the leak policy."""

from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from evaluator.contract.faults import FAULT_TEXTS, FaultCode
from evaluator.contract.states import Owner, Stage, SubmissionState, WorkState
from server.db import utc_now
from server.models import Competition, Score, Submission, Team, WorkItem
from server.submissions.schemas import ErrorView, IntervalView, SubmissionView

SCORE_DIGITS = 4
PROGRESS_STEPS = 10
ETA_SAMPLE = 10


def view(session: Session, submission: Submission) -> SubmissionView:
    """The submission as its team sees it: scores rounded, progress in tenths, no output of hidden runs."""
    competition = session.get_one(Competition, submission.competition_id)
    team = session.get_one(Team, submission.team_id)
    score = session.scalar(
        select(Score).where(Score.submission_id == submission.id, Score.generation == submission.generation)
    )
    position = queue_position(session, submission)
    return SubmissionView(
        id=submission.id,
        competition=competition.slug,
        team=team.name,
        filename=submission.filename,
        notes=submission.notes or [],
        state=submission.state,
        owner=submission.owner,
        error=error_view(submission),
        runs_done=coarse_progress(runs_done(session, submission), submission.runs_total),
        runs_total=submission.runs_total,
        queue_position=position,
        eta_s=eta_s(session, submission, position),
        score=None if score is None else round_score(score.final_score),
        interval=None
        if score is None
        else IntervalView(low=round_score(score.interval_low), high=round_score(score.interval_high)),
        created_at=submission.created_at,
        finished_at=submission.finished_at,
    )


def round_score(value: float) -> float:
    """Scores are shown to four digits: finer ones would carry hidden bits to whoever encodes them."""
    return round(value, SCORE_DIGITS)


def error_view(submission: Submission) -> ErrorView | None:
    """Why it ended without a score, or None."""
    if submission.fault_code is None:
        return None
    return ErrorView(
        code=submission.fault_code,
        message=FAULT_TEXTS[FaultCode(submission.fault_code)],
        line=submission.fault_line,
        output=submission.fault_message or None if submission.owner == Owner.PARTICIPANT else None,
    )


def runs_done(session: Session, submission: Submission) -> int:
    """Finished hidden runs of the current generation."""
    items = session.scalars(
        select(WorkItem).where(
            WorkItem.submission_id == submission.id,
            WorkItem.generation == submission.generation,
            WorkItem.stage == Stage.RUN,
        )
    )
    return sum(len(item.finished) for item in items)


def coarse_progress(done: int, total: int) -> int:
    """`done` cut down to tenths of `total`; the end is exact."""
    return done if done >= total else int(done * PROGRESS_STEPS / total) * total // PROGRESS_STEPS


def queue_position(session: Session, submission: Submission) -> int | None:
    """How many submissions that no worker has yet stand before this one, plus one; None once it is taken up."""
    if submission.state != SubmissionState.QUEUED:
        return None
    before = session.scalar(
        select(func.count()).where(
            Submission.state == SubmissionState.QUEUED, Submission.created_at < submission.created_at
        )
    )
    return (before or 0) + 1


def eta_s(session: Session, submission: Submission, position: int | None) -> float | None:
    """Seconds to the end if this one takes as long as the last ones did, and those before it one after the other."""
    if SubmissionState(submission.state).is_terminal:
        return None
    recent = session.execute(
        select(WorkItem.created_at, Submission.finished_at)
        .join(Submission, Submission.id == WorkItem.submission_id)
        .where(
            WorkItem.stage == Stage.CHECK,
            WorkItem.state == WorkState.DONE,
            Submission.state == SubmissionState.SCORED,
            Submission.competition_id == submission.competition_id,
        )
        .order_by(Submission.finished_at.desc())
        .limit(ETA_SAMPLE)
    ).all()
    spans = [end - start for start, end in recent if end is not None]
    if not spans:
        return None
    expected = sum(spans, timedelta()) / len(spans) * max(1, (position or 1))
    waited = utc_now() - submission.created_at
    return float(round(max((expected - waited).total_seconds(), 5.0)))
