"""How long a submission may take, from its competition's limits, and how long it will, from what was measured."""

import math
from datetime import datetime, timedelta

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from evaluator.contract.specification import CompetitionSpec
from evaluator.contract.states import Stage, SubmissionState, WorkState
from server.db import utc_now
from server.models import Submission, WorkItem
from server.work.queue import next_turn, queue_position
from server.work.workers import live_workers

WAITING_S = 48 * 3600.0  # for workers, while others are served
OUTPUTS_S = 60.0  # computing one model's outputs; the default of the worker's setting
SCORING_S = 900.0
ATTEMPTS = 3
SAMPLE = 20
STEP_S = 10.0


def longest_s(spec: CompetitionSpec) -> float:
    """Seconds from acceptance after which a submission is ended: its own worst case three times, and the waiting.

    The worst case is one run after the other, each up to its wall limit.
    """
    if spec.limits.end_after_s is not None:
        return spec.limits.end_after_s
    check_s = spec.dependencies.install_wall_s + spec.evaluation.check_runs * (check_run_wall_s(spec) + OUTPUTS_S)
    each_s = spec.evaluation.runs * spec.limits.run_wall_s
    runs_s = min(each_s, spec.limits.total_wall_s or each_s) + spec.evaluation.runs * OUTPUTS_S
    return WAITING_S + ATTEMPTS * (check_s + runs_s + SCORING_S)


def check_run_wall_s(spec: CompetitionSpec) -> float:
    """Seconds that one run of the check stage may take."""
    return min(spec.limits.run_wall_s, spec.limits.check_wall_s)


def deadline(spec: CompetitionSpec) -> datetime:
    """When a submission that is accepted now has ended at the latest."""
    return utc_now() + timedelta(seconds=longest_s(spec))


def eta_s(session: Session, submission: Submission, *, done: int) -> float | None:
    """Seconds to the end in steps of ten, at most until the deadline; None when nothing was measured yet, or no worker
    lives.

    What comes before this submission's last run in the fair order, at the speed of the last chunks of its competition
    on the workers that live now. `done` are its finished runs, as coarsely as they are shown.
    """
    if SubmissionState(submission.state).is_terminal:
        return None
    workers = len(live_workers(session))
    run_s = _seconds_each(session, submission, Stage.RUN)
    score_s = _seconds_each(session, submission, Stage.SCORE) or 0.0
    if run_s is None or not workers:
        return None
    total_s = score_s + (submission.runs_total - done + _runs_before(session, submission)) * run_s / workers
    if submission.state in {SubmissionState.QUEUED, SubmissionState.CHECKING}:
        check_s = _seconds_each(session, submission, Stage.CHECK) or 0.0
        position = queue_position(session, submission)
        total_s += check_s * math.ceil((position or 1) / workers)
    bound_s = (submission.deadline_at - utc_now()).total_seconds()
    return max(STEP_S, math.ceil(min(total_s, bound_s) / STEP_S) * STEP_S)


def _runs_before(session: Session, submission: Submission) -> int:
    """Waiting runs of others that come before the submission's last one, all competitions taken as equally long."""
    if submission.state == SubmissionState.SCORING:
        return 0
    last = session.scalar(
        select(func.max(WorkItem.turn)).where(
            WorkItem.submission_id == submission.id, WorkItem.stage == Stage.RUN, WorkItem.state == WorkState.READY
        )
    )
    if last is None and submission.state == SubmissionState.RUNNING:
        return 0
    if last is None:
        places = {"competition_id": submission.competition_id, "team_id": submission.team_id}
        last = next_turn(session, stage=Stage.RUN, **places) + submission.runs_total
    waiting = and_(
        WorkItem.stage == Stage.RUN, WorkItem.state == WorkState.READY, WorkItem.submission_id != submission.id
    )
    per_competition = session.execute(
        select(WorkItem.competition_id, func.sum(WorkItem.run_count)).where(waiting).group_by(WorkItem.competition_id)
    )
    counts = {competition_id: int(runs) for competition_id, runs in per_competition}
    counts.pop(submission.competition_id, None)
    own = int(
        session.scalar(
            select(func.coalesce(func.sum(WorkItem.run_count), 0)).where(
                waiting, WorkItem.competition_id == submission.competition_id, WorkItem.turn < last
            )
        )
        or 0
    )
    return own + sum(min(runs, own + submission.runs_total) for runs in counts.values())


def _seconds_each(session: Session, submission: Submission, stage: Stage) -> float | None:
    """Mean seconds of a worker per run, or per check or scoring, over the competition's last items of others."""
    spans = session.execute(
        select(WorkItem.claimed_at, WorkItem.done_at, WorkItem.run_count)
        .where(
            WorkItem.stage == stage,
            WorkItem.competition_id == submission.competition_id,
            WorkItem.submission_id != submission.id,
            WorkItem.state == WorkState.DONE,
            WorkItem.done_at.is_not(None),
        )
        .order_by(WorkItem.done_at.desc())
        .limit(SAMPLE)
    ).all()
    if not spans:
        return None
    seconds = sum((end - start).total_seconds() for start, end, _ in spans if start and end)
    return seconds / (sum(runs for _, _, runs in spans) if stage is Stage.RUN else len(spans))
