"""Derives work from SQL: which items a live submission needs next, and at which place of the queue they stand."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from evaluator.contract.specification import CompetitionSpec
from evaluator.contract.states import OPEN_WORK_STATES, Evaluation, Stage, SubmissionState, WorkState
from server.competitions.disclosure import shown_from
from server.lifecycle.endings import drop_items
from server.models import Submission, WorkItem
from server.models.times import utc_now
from server.queue.fair_order import next_turn


class _Known(NamedTuple):
    id: UUID
    state: str


def advance(session: Session, submission: Submission, spec: CompetitionSpec, *, is_new: bool = False) -> None:
    """Put `submission` into the state that its finished items lead to, and add the items which that state lacks.

    First the check, which a final evaluation does not repeat, then every chunk of runs, then the score. Repeating it
    changes nothing. `is_new`: nobody has to ask for items of a submission that this transaction made.
    """
    session.flush()
    known = {} if is_new else _known_items(session, submission)
    check = known.get((Stage.CHECK, 0))
    firsts = range(0, submission.runs_total, spec.evaluation.chunk_runs)
    chunks = [known.get((Stage.RUN, chunk)) for chunk in range(len(firsts))]
    is_checked = submission.evaluation == Evaluation.FINAL or (check is not None and check.state == WorkState.DONE)
    if not is_checked:
        if check is None or check.state != WorkState.LEASED:
            submission.state = SubmissionState.QUEUED
        _require(session, submission, Stage.CHECK, check, run_count=spec.evaluation.check_runs)
    elif any(chunk is None or chunk.state != WorkState.DONE for chunk in chunks):
        submission.state = SubmissionState.RUNNING
        _require_chunks(session, submission, spec, chunks)
    else:
        _require_score(session, submission, spec, known.get((Stage.SCORE, 0)))


def hold_back_end(session: Session, submission: Submission, spec: CompetitionSpec) -> bool:
    """Whether the end of a submission in its hidden runs waits for the clock; a score item ends it without a score."""
    if not spec.leaks.step_s:
        return False
    session.flush()
    drop_items(session, submission)
    _require_score(session, submission, spec, _known_items(session, submission).get((Stage.SCORE, 0)))
    return True


def _require_score(session: Session, submission: Submission, spec: CompetitionSpec, known: _Known | None) -> None:
    """Nobody gets the score item before its end may show."""
    submission.state = SubmissionState.SCORING
    until = shown_from(utc_now(), spec.leaks.step_s)
    _require(session, submission, Stage.SCORE, known, run_count=0, until=until)


def _known_items(session: Session, submission: Submission) -> dict[tuple[Stage, int], _Known]:
    rows = session.execute(
        select(WorkItem.stage, WorkItem.chunk, WorkItem.id, WorkItem.state).where(
            WorkItem.submission_id == submission.id, WorkItem.generation == submission.generation
        )
    )
    return {(Stage(stage), chunk): _Known(identifier, state) for stage, chunk, identifier, state in rows}


def _require_chunks(
    session: Session, submission: Submission, spec: CompetitionSpec, chunks: list[_Known | None]
) -> None:
    size = spec.evaluation.chunk_runs
    turn = _turn(session, submission, Stage.RUN) if None in chunks else 0
    for chunk, known in enumerate(chunks):
        if known is None or known.state != WorkState.DONE:
            first = chunk * size
            runs = min(size, submission.runs_total - first)
            _require(
                session, submission, Stage.RUN, known, run_count=runs, turn=turn + first, chunk=chunk, first_run=first
            )


def _require(
    session: Session,
    submission: Submission,
    stage: Stage,
    known: _Known | None,
    *,
    run_count: int,
    turn: int | None = None,
    chunk: int = 0,
    first_run: int = 0,
    until: datetime | None = None,
) -> None:
    """Make the item, or let it wait again where it has ended; as `postpone` does, nobody holds it before `until`."""
    state = WorkState.READY if until is None else WorkState.LEASED
    if known is not None:
        if known.state not in OPEN_WORK_STATES:
            values = {"state": state, "lease_expires_at": until, "worker": None, "done_at": None}
            session.execute(update(WorkItem).where(WorkItem.id == known.id).values(values))
        return
    session.add(
        WorkItem(
            submission_id=submission.id,
            competition_id=submission.competition_id,
            team_id=submission.team_id,
            generation=submission.generation,
            stage=stage,
            chunk=chunk,
            first_run=first_run,
            run_count=run_count,
            turn=_turn(session, submission, stage) if turn is None else turn,
            state=state,
            lease_expires_at=until,
        )
    )


def _turn(session: Session, submission: Submission, stage: Stage) -> int:
    places = {"competition_id": submission.competition_id, "team_id": submission.team_id}
    return next_turn(session, stage=stage, **places)
