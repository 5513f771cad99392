"""The life of a submission: its state, its end with fault, quota, counts and waiting work, and its reruns.

Every function runs inside one transaction of its caller.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Update, bindparam, update
from sqlalchemy.orm import Session

from lethe.evaluator.contract.faults import Fault, FaultCode
from lethe.evaluator.contract.states import Evaluation, Owner, Stage, SubmissionState
from lethe.server.competitions.disclosure import round_time
from lethe.server.database import counters
from lethe.server.database.statements import prepared
from lethe.server.lifecycle import work
from lethe.server.lifecycle.transitions import OfSubmission, Transition
from lethe.server.logs import get_logger
from lethe.server.mail.outbox import Kind, tell_team
from lethe.server.models import Competition, Submission
from lethe.server.models.times import utc_now
from lethe.server.webhooks import outbox as webhooks
from lethe.server.webhooks.events import Event

log = get_logger(__name__)

_UNCHECKED = (SubmissionState.QUEUED, SubmissionState.CHECKING)


def move(submission: Submission, transition: Transition, state: SubmissionState | None = None, **fields: Any) -> None:
    """Put `submission` into the target of `transition`, into `state` where it has several; raises IllegalTransition.

    `fields` are logged with its event.
    """
    submission.state = transition.target(submission.state, state)
    log.log(
        transition.level,
        transition.event,
        submission_id=str(submission.id),
        state=submission.state,
        **fields,
    )


@prepared
def _begin_check() -> Update:
    """The check of the submission `submission_id` was claimed; a check that was claimed before changes nothing."""
    (source,), (target,) = OfSubmission.CHECK_CLAIMED.sources, OfSubmission.CHECK_CLAIMED.targets
    return (
        update(Submission)
        .where(Submission.id == bindparam("submission_id"), Submission.state == source)
        .values(state=target)
    )


def begin_check(session: Session, submission_id: Any) -> None:
    """Note that a worker has the check of the submission; the claim of its item is what is logged."""
    _begin_check.rows(session, submission_id=submission_id)


def record_fault(submission: Submission, fault: Fault) -> None:
    """Note why the submission ends, and in which stage: that of its state."""
    submission.owner = fault.owner
    submission.fault_stage = Stage.CHECK if submission.state in _UNCHECKED else Stage.RUN
    submission.fault_code = fault.code
    submission.fault_line = fault.line
    submission.fault_message = fault.message


def end(session: Session, submission: Submission, transition: Transition, **fields: Any) -> None:
    """End `submission` now by `transition`; its waiting work items leave the queue with it.

    An end by a fault of Lethe's, by the host's decision or in the check stage does not count against the quota, and
    final evaluations never do.
    """
    is_failed_check = SubmissionState.FAILED in transition.targets and submission.fault_stage == Stage.CHECK
    is_refunded = submission.owner in {Owner.PLATFORM, Owner.HOST} or is_failed_check
    submission.is_charged = submission.evaluation != Evaluation.FINAL and not is_refunded
    move(submission, transition, **fields)
    submission.finished_at = utc_now()
    if submission.state == SubmissionState.SCORED:
        submission.runs_shown = submission.stopped_after or submission.runs_total
    work.drop_waiting(session, submission)
    counters.add(session, counters.RUNS, work.runs_stored(session, submission))  # once, not at every outcome
    _count_machine_time(session, submission)
    counters.add_outcome(session, state=submission.state, owner=submission.owner, code=submission.fault_code)
    counters.add_state(session, submission.competition_id, submission.state)
    is_own_act = submission.fault_code == FaultCode.CANCELLED and submission.owner == Owner.PARTICIPANT
    if submission.evaluation != Evaluation.FINAL and not is_own_act:  # finals show at the reveal
        tell_team(session, submission.team_id, Kind.ENDED, submission=str(submission.id))
    _tell_webhooks(session, submission, submission.finished_at)


def _tell_webhooks(session: Session, submission: Submission, at: datetime) -> None:
    """Tell webhooks what the page shows to everybody who may see it: the state, and no number."""
    is_final = submission.evaluation == Evaluation.FINAL  # which teams see at the reveal
    data = {
        "competition": session.get_one(Competition, submission.competition_id).slug,
        "submission": str(submission.id),
        "team": str(submission.team_id),
        "filename": submission.filename,
        "evaluation": submission.evaluation,
        "state": submission.state,
        "code": submission.fault_code,
    }
    has_score = submission.state == SubmissionState.SCORED and submission.stopped_after is None
    for event in (Event.ENDED, Event.SCORED) if has_score else (Event.ENDED,):
        team_id = None if is_final else submission.team_id
        webhooks.tell_team_and_hosts(session, submission.competition_id, team_id, event, at=round_time(at), data=data)


def _count_machine_time(session: Session, submission: Submission, sign: int = 1) -> None:
    """Count what the submission took by stage, and what its end at a look saved, by the time of its runs."""
    outcome = "stopped" if submission.stopped_after is not None else submission.owner or submission.state
    seconds = work.machine_seconds(session, submission)
    for stage, spent in seconds.items():
        counters.add_machine_time(session, submission.team_id, stage=stage, outcome=outcome, seconds=sign * spent)
    if submission.stopped_after is not None:
        left_out = submission.runs_total / submission.stopped_after - 1
        saved = sign * left_out * seconds.get(Stage.RUN, 0.0)
        counters.add_machine_time(session, submission.team_id, stage=Stage.RUN, outcome="saved", seconds=saved)


def cancel(session: Session, submission: Submission, owner: Owner) -> None:
    """End a live submission by the decision of its team or of the host."""
    submission.owner = owner
    submission.fault_code = FaultCode.CANCELLED
    by_team = owner is Owner.PARTICIPANT
    end(session, submission, OfSubmission.CANCELLED_BY_TEAM if by_team else OfSubmission.CANCELLED_BY_HOST)


def forget_end(session: Session, submission: Submission) -> None:
    """Take back the end of a submission that is about to run again."""
    counters.add_state(session, submission.competition_id, submission.state, -1)
    submission.owner = submission.fault_code = submission.fault_message = submission.fault_line = None
    submission.finished_at = submission.fault_stage = None


def forget_stop(session: Session, submission: Submission) -> None:
    """Take back the early end of a submission that is about to run whole; its runs, counted at that end, go on."""
    forget_end(session, submission)
    _count_machine_time(session, submission, -1)
    counters.add(session, counters.RUNS, -work.runs_stored(session, submission))
    submission.stopped_after, submission.runs_whole = None, True


def forget_message(submission: Submission) -> None:
    """Delete the message of its fault, which may have text that came out of a run; code and line stay."""
    submission.fault_message = None
