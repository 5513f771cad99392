"""The final evaluation: whose submissions it runs, what that costs, starting it, and revealing its board."""

import secrets
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from evaluator.contract.states import TERMINAL_STATES, Evaluation, Stage, SubmissionState
from server.audit_log.events import record
from server.competitions.phases import Phase, phase
from server.competitions.service import lock_competition, specification
from server.errors import Conflict
from server.hosting.actions import PhaseConflict
from server.leaderboard.standings import mark_board_changed, rebuild
from server.lifecycle.transitions import OfSubmission
from server.models import Competition, Score, Submission, Team, WorkItem
from server.models.times import utc_now
from server.queue.estimates import deadline
from server.queue.planning import advance


class EvaluationsUnfinished(Conflict):
    """Some submissions have not ended yet."""

    code = "evaluations_unfinished"
    title = "Evaluations are unfinished"


@dataclass(frozen=True)
class Plan:
    """What the final evaluation runs. `worker_s`: seconds of runs, by those of the public evaluation; None: unknown."""

    submissions: tuple[UUID, ...]
    teams: int
    automatic: int
    runs: int
    worker_s: float | None


@dataclass(frozen=True)
class Progress:
    """Final evaluations by how they stand."""

    total: int
    scored: int
    failed: int

    @property
    def unfinished(self) -> int:
        return self.total - self.scored - self.failed


def plan(session: Session, competition: Competition) -> Plan:
    """What `start` would run: what each team selected, or else its best scores; of no disqualified team."""
    spec = specification(competition).evaluation
    ranked = (
        select(
            Submission.id,
            Submission.team_id,
            Submission.selected_at.is_not(None).label("is_selected"),
            func.max(Submission.selected_at).over(partition_by=Submission.team_id).label("any_selected"),
            func.row_number()
            .over(partition_by=Submission.team_id, order_by=(Score.final_score.desc(), Submission.created_at))
            .label("place"),
        )
        .join(Score, (Score.submission_id == Submission.id) & (Score.generation == Submission.generation))
        .join(Team, Team.id == Submission.team_id)
        .where(
            Submission.competition_id == competition.id,
            Submission.evaluation == Evaluation.PUBLIC,
            Submission.state == SubmissionState.SCORED,
            Submission.disqualified_reason.is_(None),
            Team.disqualified_reason.is_(None),
        )
        .subquery()
    )
    is_automatic = ranked.c.any_selected.is_(None)
    chosen = session.execute(
        select(ranked.c.id, ranked.c.team_id, is_automatic)
        .where(ranked.c.is_selected | (is_automatic & (ranked.c.place <= spec.final_selections)))
        .order_by(ranked.c.team_id, ranked.c.place)
    ).all()
    ids = tuple(row.id for row in chosen)
    return Plan(
        submissions=ids,
        teams=len({row.team_id for row in chosen}),
        automatic=sum(bool(row[2]) for row in chosen),
        runs=len(ids) * spec.runs,
        worker_s=_run_seconds(session, ids),
    )


def start(session: Session, slug: str, *, actor: str | None = None) -> Progress:
    """Queue the final evaluations with seeds from a fresh secret; how they stand, if they were started before.

    Raises PhaseConflict unless uploads are closed, and EvaluationsUnfinished while public evaluations go on.
    """
    competition = lock_competition(session, slug)
    if competition.finals_started_at is not None:
        return progress(session, competition)
    current = phase(competition)
    if current is not Phase.CLOSED:
        raise PhaseConflict(f"{slug} is {current.value}. Close it first: lethe admin competition close {slug}")
    waiting = _count(session, competition, Evaluation.PUBLIC, Submission.state.not_in(TERMINAL_STATES))
    if waiting:
        raise EvaluationsUnfinished(f"{waiting} submissions are still being evaluated. Wait for them, or cancel them.")
    chosen = plan(session, competition)
    competition.finals_started_at = utc_now()
    competition.final_secret = secrets.token_hex(32)
    for origin in session.scalars(select(Submission).where(Submission.id.in_(chosen.submissions))).all():
        _queue(session, competition, origin)
    mark_board_changed(session, competition.id)
    record(
        session, "competition.finals", slug, actor=actor, competition=competition, submissions=len(chosen.submissions)
    )
    return progress(session, competition)


def _queue(session: Session, competition: Competition, origin: Submission) -> None:
    spec = specification(competition)
    final = Submission(
        competition_id=competition.id,
        team_id=origin.team_id,
        user_id=origin.user_id,
        evaluation=Evaluation.FINAL,
        origin_id=origin.id,
        filename=origin.filename,
        notes=origin.notes,
        source_key=origin.source_key,
        source_sha256=origin.source_sha256,
        check_report=origin.check_report,  # its packages are those of every run
        is_charged=False,
        runs_total=spec.evaluation.runs,
        deadline_at=deadline(spec),
    )
    session.add(final)
    advance(session, final, spec, OfSubmission.FINAL_STARTED, is_new=True)


def progress(session: Session, competition: Competition) -> Progress:
    """How many final evaluations there are, and how many have ended."""
    return Progress(
        total=_count(session, competition, Evaluation.FINAL),
        scored=_count(session, competition, Evaluation.FINAL, Submission.state == SubmissionState.SCORED),
        failed=_count(
            session,
            competition,
            Evaluation.FINAL,
            Submission.state.in_([SubmissionState.FAILED, SubmissionState.CANCELLED]),
        ),
    )


def reveal(session: Session, slug: str, *, unfinished: bool = False, actor: str | None = None) -> Progress:
    """Show the final board and the metric from now on. Done again, it takes in what was scored since.

    Raises PhaseConflict before the final evaluation, and EvaluationsUnfinished while it goes on, unless `unfinished`.
    """
    competition = lock_competition(session, slug)
    if competition.finals_started_at is None:
        raise PhaseConflict(f"{slug} has no final evaluation yet. Start it: lethe admin competition finals {slug}")
    found = progress(session, competition)
    if found.unfinished and not unfinished:
        raise EvaluationsUnfinished(
            f"{found.unfinished} of {found.total} final evaluations are unfinished. Wait, or reveal with --unfinished."
        )
    if competition.revealed_at is None:
        competition.revealed_at = utc_now()
        record(session, "competition.reveal", slug, actor=actor, competition=competition, unfinished=found.unfinished)
    session.flush()
    rebuild(session, competition, Evaluation.FINAL)
    return found


def _run_seconds(session: Session, ids: tuple[UUID, ...]) -> float | None:
    items = session.scalars(
        select(WorkItem.finished)
        .join(Submission, (Submission.id == WorkItem.submission_id) & (Submission.generation == WorkItem.generation))
        .where(WorkItem.submission_id.in_(ids), WorkItem.stage == Stage.RUN)
    )
    spans = [run["wall_s"] for finished in items for run in finished.values()]
    return sum(spans) if spans else None


def _count(session: Session, competition: Competition, evaluation: Evaluation, *conditions: object) -> int:
    query = select(func.count()).where(
        Submission.competition_id == competition.id,
        Submission.evaluation == evaluation,
        *conditions,  # type: ignore[arg-type]
    )
    return session.scalar(query) or 0
