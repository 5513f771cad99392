"""Derives work from SQL: which items a live submission needs next, at which place of the queue they stand, and how a
fault ends it.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy.orm import Session

from lethe.evaluator.contract.faults import Fault
from lethe.evaluator.contract.parts import Chunk, chunks
from lethe.evaluator.contract.specification import CompetitionSpec
from lethe.evaluator.contract.states import OPEN_WORK_STATES, Evaluation, Owner, Stage, SubmissionState, WorkState
from lethe.server.competitions.disclosure import last_step, shown_from
from lethe.server.competitions.service import clock_step_s, specification
from lethe.server.lifecycle import submissions, work
from lethe.server.lifecycle.transitions import OfSubmission, OfWorkItem, Transition
from lethe.server.models import Competition, Submission, WorkItem
from lethe.server.models.times import utc_now
from lethe.server.queue import queries
from lethe.server.queue.fair_order import next_turn


class StoredItem(NamedTuple):
    """What planning needs to know of an item that there is."""

    id: UUID
    state: str


Items = Mapping[tuple[Stage, int], StoredItem]
"""The items of a submission's generation by stage and chunk."""


def advance(
    session: Session, submission: Submission, spec: CompetitionSpec, transition: Transition, *, is_new: bool = False
) -> None:
    """Put `submission` into the state that its finished items lead to, and add the items that this state lacks.

    First the check, which a final evaluation does not repeat, then every chunk of runs, then the score. The chunks
    after a look wait for it. Repeating it changes nothing. `is_new`: this transaction made the submission, so there are
    no items to ask for.
    """
    session.flush()  # gives a new submission its id
    items = {} if is_new else _stored_items(session, submission)
    check = items.get((Stage.CHECK, 0))
    until = _runs_until(submission, spec, items)
    wanted = list(chunks(spec, until))
    stored = [items.get((Stage.RUN, number)) for number in range(len(wanted))]
    is_checked = submission.evaluation == Evaluation.FINAL or (check is not None and check.state == WorkState.DONE)
    if not is_checked:
        submissions.move(submission, transition, SubmissionState.QUEUED)
        _ensure_item(session, submission, Stage.CHECK, check, run_count=spec.evaluation.check_runs)
    elif any(chunk is None or chunk.state != WorkState.DONE for chunk in stored):
        submissions.move(submission, transition, SubmissionState.RUNNING)
        _ensure_chunks(session, submission, wanted, stored)
    elif until < submission.runs_total and submission.stopped_after is None:
        if submission.state != SubmissionState.RUNNING:
            submissions.move(submission, transition, SubmissionState.RUNNING)
        _ensure_item(session, submission, Stage.SCORE, items.get((Stage.SCORE, until)), run_count=0, chunk=until)
    else:
        submissions.move(submission, transition, SubmissionState.SCORING)
        _ensure_score(session, submission, spec, items)


def takes_looks(submission: Submission, spec: CompetitionSpec) -> bool:
    """Return whether the submission may stop early: finals, what came after the deadline and reruns never do."""
    is_first = submission.evaluation == Evaluation.PUBLIC and submission.generation == 0
    return bool(spec.evaluation.looks) and is_first and not submission.runs_whole


def _runs_until(submission: Submission, spec: CompetitionSpec, items: Items) -> int:
    """Return how many runs the submission may do for now: up to the look that comes next, if one does.

    A look is a score item whose `chunk` is its number of runs; the score has the chunk 0.
    """
    if submission.stopped_after is not None:
        return submission.stopped_after
    for runs in spec.evaluation.looks if takes_looks(submission, spec) else ():
        item = items.get((Stage.SCORE, runs))
        if item is None or item.state != WorkState.DONE:
            return runs
    return submission.runs_total


def fail(session: Session, submission: Submission, transition: Transition, fault: Fault) -> None:
    """End `submission` by `transition` with `fault`, which came up in the stage of its state.

    The end by a fault of its own waits for the clock, as a score does: until then it is being scored, and a score item
    ends it without a score. That of a check, too: it began when a worker became free, and public data take as long each
    time.
    """
    submissions.record_fault(submission, fault)
    fields: dict[str, Any] = {"code": fault.code, "owner": fault.owner}
    if fault.owner == Owner.PARTICIPANT and submission.state in {SubmissionState.CHECKING, SubmissionState.RUNNING}:
        spec = specification(session.get_one(Competition, submission.competition_id))
        if clock_step_s(session, spec):
            submissions.move(submission, OfSubmission.END_HELD_BACK, **fields)
            work.drop_waiting(session, submission)
            _ensure_score(session, submission, spec, _stored_items(session, submission))
            return
    submissions.end(session, submission, transition, **fields)


def _stored_items(session: Session, submission: Submission) -> Items:
    rows = queries.items_of_generation.rows(session, submission_id=submission.id, generation=submission.generation)
    return {(Stage(row.stage), row.chunk): StoredItem(row.id, row.state) for row in rows}


def _ensure_score(session: Session, submission: Submission, spec: CompetitionSpec, items: Items) -> None:
    """Add the score item, which nobody gets before the end that it leads to may be shown."""
    shown_at = shown_from(utc_now(), clock_step_s(session, spec))
    score = items.get((Stage.SCORE, 0))
    _ensure_item(session, submission, Stage.SCORE, score, run_count=0, available_at=shown_at)


def _ensure_chunks(
    session: Session, submission: Submission, wanted: list[Chunk], stored: list[StoredItem | None]
) -> None:
    turn = _next_turn(session, submission, Stage.RUN) - wanted[stored.index(None)].first if None in stored else 0
    for number, (chunk, item) in enumerate(zip(wanted, stored, strict=True)):
        if item is None or item.state != WorkState.DONE:
            _ensure_item(
                session,
                submission,
                Stage.RUN,
                item,
                run_count=chunk.count,
                turn=turn + chunk.first,
                chunk=number,
                first_run=chunk.first,
                part=chunk.part,
            )


def _ensure_item(
    session: Session,
    submission: Submission,
    stage: Stage,
    item: StoredItem | None,
    *,
    run_count: int,
    turn: int | None = None,
    chunk: int = 0,
    first_run: int = 0,
    part: int = 0,
    available_at: datetime | None = None,
) -> None:
    """Add the item, or reopen it if it has ended."""
    if item is not None:
        if item.state not in OPEN_WORK_STATES:
            reopen(session.get_one(WorkItem, item.id, populate_existing=True), available_at=available_at)
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
            part=part,
            turn=_next_turn(session, submission, stage) if turn is None else turn,
            available_at=available_at,
        )
    )


def reopen(item: WorkItem, *, available_at: datetime | None = None) -> None:
    """Let an item that has ended wait again; a report of its former holder that comes twice no longer counts."""
    work.move(item, OfWorkItem.REOPENED)
    item.token += 1
    item.available_at, item.done_at = available_at, None


def _next_turn(session: Session, submission: Submission, stage: Stage) -> int:
    spec = specification(session.get_one(Competition, submission.competition_id))
    return next_turn(
        session,
        competition_id=submission.competition_id,
        team_id=submission.team_id,
        stage=stage,
        moment=last_step(utc_now(), clock_step_s(session, spec)),
    )
