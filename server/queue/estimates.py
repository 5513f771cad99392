"""How long a submission may take by its competition's limits, and how long it will take by measurements."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from lethe.evaluator.contract.parts import total_runs
from lethe.evaluator.contract.practice import FEWEST_RUNS
from lethe.evaluator.contract.practice_score import FURTHER_LIMIT_S
from lethe.evaluator.contract.specification import CompetitionSpec
from lethe.evaluator.contract.states import Stage, SubmissionState
from lethe.server.competitions.disclosure import last_step
from lethe.server.models import Submission
from lethe.server.models.times import utc_now
from lethe.server.queue import queries, waiting_queries
from lethe.server.queue.fair_order import next_turn
from lethe.server.queue.workers import count_live

WAITING_S = 48 * 3600.0  # for workers, while they serve others
OUTPUTS_S = 60.0  # computing one model's outputs; the default of the worker's setting
SCORING_S = 900.0
ATTEMPTS = 3
STEP_S = 10.0


def longest_s(spec: CompetitionSpec) -> float:
    """Seconds from acceptance after which a submission is ended: its own worst case three times, and the waiting.

    The worst case is one run after the other, each up to its wall limit.
    """
    if spec.limits.end_after_s is not None:
        return spec.limits.end_after_s
    check_s = spec.dependencies.install_wall_s + spec.evaluation.check_runs * (check_run_wall_s(spec) + OUTPUTS_S)
    if spec.practice.oracles:
        check_s += FURTHER_LIMIT_S + (FEWEST_RUNS - spec.evaluation.check_runs) * OUTPUTS_S
    runs = total_runs(spec)
    each_s = runs * spec.limits.run_wall_s
    runs_s = min(each_s, spec.limits.total_wall_s or each_s) + runs * OUTPUTS_S
    audits_s = spec.audits.runs * spec.audits.wall_s
    return WAITING_S + ATTEMPTS * (check_s + runs_s + audits_s + SCORING_S)


def check_run_wall_s(spec: CompetitionSpec) -> float:
    """Seconds that one run of the check stage may take."""
    return min(spec.limits.run_wall_s, spec.limits.check_wall_s)


def deadline(spec: CompetitionSpec) -> datetime:
    """Return when a submission that is accepted now ends at the latest."""
    return utc_now() + timedelta(seconds=longest_s(spec))


@dataclass(frozen=True)
class Shown:
    """What a team sees of its submission: state, runs that are done, and the place in the queue if it waits in one.

    All of it, and what is estimated from it, is as of `moment`, the last step of the clock, which are `step_s` apart.
    """

    state: str
    runs_done: int
    position: int | None
    moment: datetime
    step_s: float


def eta_s(session: Session, submission: Submission, shown: Shown) -> float | None:
    """Seconds to the end in steps of ten, at most until the deadline; None without a measurement or a live worker.

    The runs up to this submission's last one in the fair order, at the speed of the last chunks of its competition, on
    the workers that are alive now; less the time since `shown.moment`, as of which all of that is known.
    """
    if SubmissionState(shown.state).is_terminal:
        return None
    workers = count_live(session)
    each_s = _seconds_each(session, submission, shown)
    if Stage.RUN not in each_s or not workers:
        return None
    now = utc_now()
    runs = submission.runs_total - shown.runs_done + _runs_before(session, submission, shown)
    total_s = each_s.get(Stage.SCORE, 0.0) + runs * each_s[Stage.RUN] / workers
    if shown.state in {SubmissionState.QUEUED, SubmissionState.CHECKING}:
        total_s += each_s.get(Stage.CHECK, 0.0) * math.ceil((shown.position or 1) / workers)
    total_s -= (now - shown.moment).total_seconds()
    bound_s = (submission.deadline_at - now).total_seconds()
    return max(STEP_S, math.ceil(min(total_s, bound_s) / STEP_S) * STEP_S)


def _runs_before(session: Session, submission: Submission, shown: Shown) -> int:
    """Waiting runs of others that come before the submission's last one, all competitions taken as equally long."""
    last = _last_place(session, submission, shown)
    if last is None:
        return 0
    turn, created_at = last
    rows = waiting_queries.waiting_runs_of_others.rows(
        session, submission_id=submission.id, turn=turn, created_at=created_at, moment=shown.moment, now=utc_now()
    )
    waiting = {row.competition_id: row for row in rows}
    own = waiting.pop(submission.competition_id, None)
    before = int(own.before or 0) if own is not None else 0
    return before + sum(min(int(row.runs), before + submission.runs_total) for row in waiting.values())


def _last_place(session: Session, submission: Submission, shown: Shown) -> tuple[int, datetime] | None:
    """Turn and creation of the submission's last waiting run, or those that it will have; None when no run waits."""
    if shown.state == SubmissionState.SCORING:
        return None
    if shown.state == SubmissionState.RUNNING:
        values = {"submission_id": submission.id, "moment": shown.moment, "now": utc_now()}
        found = waiting_queries.last_waiting_run.rows(session, **values).one_or_none()
        return None if found is None else (found.turn, found.created_at)
    turn = next_turn(
        session,
        competition_id=submission.competition_id,
        team_id=submission.team_id,
        stage=Stage.RUN,
        moment=shown.moment,
    )
    return turn + submission.runs_total, utc_now()


def _seconds_each(session: Session, submission: Submission, shown: Shown) -> dict[Stage, float]:
    """Mean seconds of a worker per run, and per check and scoring, over the competition's last items of others.

    An item counts the steps of the clock between its beginning and its end. That is right in the mean, however short
    the items are, and says of none of them when within a step it ended.
    """
    values = {"submission_id": submission.id, "competition_id": submission.competition_id, "moment": shown.moment}
    spent: dict[Stage, list[tuple[float, int]]] = {}
    for row in queries.last_items_done.rows(session, **values):
        wall = last_step(row.done_at, shown.step_s) - last_step(row.claimed_at, shown.step_s)
        spent.setdefault(Stage(row.stage), []).append((wall.total_seconds(), row.run_count))
    return {
        stage: max(shown.step_s / 2, sum(wall_s for wall_s, _ in items))
        / (sum(runs for _, runs in items) if stage is Stage.RUN else len(items))
        for stage, items in spent.items()
    }
