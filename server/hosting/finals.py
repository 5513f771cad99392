"""The final evaluation: which submissions it runs, what that costs, starting it, and revealing its board."""

import secrets
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.orm import Session

from lethe.evaluator.contract.parts import total_runs
from lethe.evaluator.contract.states import Evaluation, SubmissionState
from lethe.server.audit_log.events import record
from lethe.server.competitions.phases import Phase, phase
from lethe.server.competitions.service import lock_competition, require_photographs, specification
from lethe.server.errors import Conflict
from lethe.server.hosting import queries
from lethe.server.hosting.actions import PhaseConflict
from lethe.server.leaderboard.standings import mark_board_changed, rebuild
from lethe.server.lifecycle.transitions import OfSubmission
from lethe.server.mail.outbox import Kind, tell_participants
from lethe.server.models import Competition, Submission
from lethe.server.models.times import utc_now
from lethe.server.queue.estimates import deadline
from lethe.server.queue.planning import advance
from lethe.server.submissions.queries import by_id
from lethe.server.webhooks.events import Event
from lethe.server.webhooks.outbox import tell_all


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
    """How many final evaluations there are, and how many were scored or failed."""

    total: int
    scored: int
    failed: int

    @property
    def unfinished(self) -> int:
        return self.total - self.scored - self.failed


def plan(session: Session, competition: Competition) -> Plan:
    """Return what `start` would run: what each team selected, or else its best scores; of no disqualified team."""
    spec = specification(competition)
    chosen = queries.final_candidates(session, competition, selections=spec.evaluation.final_selections)
    ids = tuple(row.id for row in chosen)
    return Plan(
        submissions=ids,
        teams=len({row.team_id for row in chosen}),
        automatic=sum(bool(row.is_automatic) for row in chosen),
        runs=len(ids) * total_runs(spec),
        worker_s=_run_seconds(session, ids),
    )


def start(session: Session, slug: str, *, actor: str | None = None) -> Progress:
    """Queue the final evaluations with seeds from a fresh secret, unless they were started before; return the progress.

    Raises PhaseConflict unless uploads are closed, and EvaluationsUnfinished while public evaluations go on.
    """
    competition = lock_competition(session, slug)
    if competition.finals_started_at is not None:
        return progress(session, competition)
    require_photographs(competition)
    current = phase(competition)
    if current is not Phase.CLOSED:
        raise PhaseConflict(f"{slug} is {current.value}. Close it first: lethe admin competition close {slug}")
    states = queries.count_by_state(session, competition, Evaluation.PUBLIC)
    waiting = sum(number for state, number in states.items() if not state.is_terminal)
    require_none_waiting(waiting)
    chosen = plan(session, competition)
    competition.finals_started_at = utc_now()
    competition.final_secret = secrets.token_hex(32)
    for origin in by_id(session, chosen.submissions):
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
        upload_sha256=origin.upload_sha256,
        check_report=origin.check_report,  # its packages are those of every run
        is_charged=False,
        runs_total=total_runs(spec),
        deadline_at=deadline(spec),
    )
    session.add(final)
    advance(session, final, spec, OfSubmission.FINAL_STARTED, is_new=True)


def progress(session: Session, competition: Competition) -> Progress:
    """Return how many final evaluations there are, and how many have ended."""
    states = queries.count_by_state(session, competition, Evaluation.FINAL)
    return Progress(
        total=sum(states.values()),
        scored=states.get(SubmissionState.SCORED, 0),
        failed=states.get(SubmissionState.FAILED, 0) + states.get(SubmissionState.CANCELLED, 0),
    )


def require_none_waiting(waiting: int) -> None:
    """Raise EvaluationsUnfinished unless `waiting`, the number of submissions that have not ended, is 0."""
    if waiting:
        raise EvaluationsUnfinished(f"Submissions still being evaluated: {waiting}. Wait for them, or cancel them.")


def reveal(session: Session, slug: str, *, unfinished: bool = False, actor: str | None = None) -> Progress:
    """Show the final board and the metric from now on; repeated, rank what was scored since.

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
        tell_participants(session, competition.id, Kind.REVEALED, competition=str(competition.id))
        tell_all(session, competition.id, Event.REVEALED, at=competition.revealed_at, data={"competition": slug})
    rebuild(session, competition, Evaluation.FINAL)
    return found


def _run_seconds(session: Session, submission_ids: tuple[UUID, ...]) -> float | None:
    spans = [record["wall_s"] for record in queries.run_records(session, submission_ids)]
    return sum(spans) if spans else None
