"""Turns stored submissions into what their team may see, under the leak policy."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from evaluator.contract.faults import FAULT_TEXTS, FaultCode
from evaluator.contract.states import Owner, Stage
from server.models import Competition, Score, Submission, Team, WorkItem
from server.submissions.schemas import ErrorView, IntervalView, SubmissionView
from server.work.duration import eta_s
from server.work.queue import queue_position

SCORE_DIGITS = 4
PROGRESS_STEPS = 10


def view(session: Session, submission: Submission) -> SubmissionView:
    """The submission as its team sees it: scores rounded, progress in tenths, no output of hidden runs."""
    competition = session.get_one(Competition, submission.competition_id)
    team = session.get_one(Team, submission.team_id)
    score = session.scalar(
        select(Score).where(Score.submission_id == submission.id, Score.generation == submission.generation)
    )
    done = coarse_progress(runs_done(session, submission), submission.runs_total)
    return SubmissionView(
        id=submission.id,
        competition=competition.slug,
        team=team.name,
        filename=submission.filename,
        notes=submission.notes or [],
        state=submission.state,
        owner=submission.owner,
        error=error_view(submission),
        runs_done=done,
        runs_total=submission.runs_total,
        queue_position=queue_position(session, submission),
        eta_s=eta_s(session, submission, done=done),
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
