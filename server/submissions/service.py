"""Rules of submissions: accepting a file, finding an earlier identical one, showing and cancelling."""

import hashlib
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from evaluator.artifacts import ArtifactStore
from evaluator.contract.faults import FaultCode
from evaluator.contract.states import Owner, Stage, SubmissionState
from server.competitions.service import require_open, specification
from server.db import utc_now
from server.errors import Conflict, NotFound
from server.models import Competition, Submission, Team, TeamMember, User, WorkItem
from server.teams.service import team_of

LIVE_OR_SCORED = tuple(
    state for state in SubmissionState if state not in {SubmissionState.FAILED, SubmissionState.CANCELLED}
)


class SubmissionNotFound(NotFound):
    """Does not exist, or belongs to another team."""

    code = "submission_not_found"
    title = "No such submission"


class SubmissionEnded(Conflict):
    """Only what is not yet ended can be cancelled."""

    code = "submission_ended"
    title = "Submission has ended"


class IdempotencyMismatch(Conflict):
    """The same Idempotency-Key came with another file."""

    code = "idempotency_mismatch"
    title = "Idempotency key used before"


@dataclass(frozen=True)
class Upload:
    """A file that passed the static check: Python source, whatever the name says, and what a notebook lost for it."""

    filename: str
    data: bytes
    notes: tuple[str, ...] = ()
    idempotency_key: str | None = None

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


def store_source(artifacts: ArtifactStore, upload: Upload) -> str:
    """The key under which the source now lies; identical sources share one artifact."""
    return artifacts.put(f"sources/{upload.sha256}.py", upload.data).key


def accept(
    session: Session, *, competition: Competition, user: User, upload: Upload, source_key: str
) -> tuple[Submission, bool]:
    """The submission for `upload` and whether it is new.

    The same team's identical source answers with the earlier submission unless that one failed or was cancelled:
    resubmitting buys no luck. Everything that a new one needs is added in the caller's transaction.
    """
    team = team_of(session, competition, user)
    earlier = _earlier(session, team, upload)
    if earlier is not None:
        return earlier, False
    require_open(competition)
    submission = Submission(
        competition_id=competition.id,
        team_id=team.id,
        user_id=user.id,
        idempotency_key=upload.idempotency_key,
        filename=upload.filename,
        notes=list(upload.notes) or None,
        source_key=source_key,
        source_sha256=upload.sha256,
        runs_total=specification(competition).evaluation.runs,
    )
    session.add(submission)
    session.flush()
    session.add(check_item(submission, specification(competition).evaluation.check_runs))
    return submission, True


def _earlier(session: Session, team: Team, upload: Upload) -> Submission | None:
    if upload.idempotency_key is not None:
        same_key = session.scalar(
            select(Submission).where(
                Submission.team_id == team.id, Submission.idempotency_key == upload.idempotency_key
            )
        )
        if same_key is not None and same_key.source_sha256 != upload.sha256:
            raise IdempotencyMismatch(
                "This Idempotency-Key was sent with another file. Send a new key with a new file."
            )
        if same_key is not None:
            return same_key
    return session.scalar(
        select(Submission)
        .where(
            Submission.team_id == team.id,
            Submission.source_sha256 == upload.sha256,
            Submission.state.in_(LIVE_OR_SCORED),
        )
        .order_by(Submission.created_at.desc())
        .limit(1)
    )


def check_item(submission: Submission, runs: int) -> WorkItem:
    """The work item of the check stage."""
    return WorkItem(
        submission_id=submission.id,
        generation=submission.generation,
        stage=Stage.CHECK,
        chunk=0,
        first_run=0,
        run_count=runs,
    )


def get_own(session: Session, submission_id: UUID, user: User) -> Submission:
    """The submission if it is the user's team's; raises SubmissionNotFound for every other."""
    submission = session.scalar(
        select(Submission)
        .join(TeamMember, TeamMember.team_id == Submission.team_id)
        .where(Submission.id == submission_id, TeamMember.user_id == user.id)
    )
    if submission is None:
        raise SubmissionNotFound("You have no submission with this id.")
    return submission


def list_own(session: Session, competition: Competition, user: User, *, offset: int, limit: int) -> list[Submission]:
    """The team's submissions, newest first."""
    return list(
        session.scalars(
            select(Submission)
            .join(TeamMember, TeamMember.team_id == Submission.team_id)
            .where(Submission.competition_id == competition.id, TeamMember.user_id == user.id)
            .order_by(Submission.created_at.desc(), Submission.id)
            .offset(offset)
            .limit(limit)
        )
    )


def end(session: Session, submission: Submission, state: SubmissionState) -> None:
    """Put `submission` into a terminal state now; its remaining work items become worthless with it."""
    submission.state = state
    submission.finished_at = utc_now()
    session.flush()


def cancel(session: Session, submission: Submission) -> None:
    """End a live submission at its owner's wish; workers learn it from their next heartbeat."""
    if SubmissionState(submission.state).is_terminal:
        raise SubmissionEnded(f"The submission is {submission.state} already.")
    submission.owner = Owner.PARTICIPANT
    submission.fault_code = FaultCode.CANCELLED
    end(session, submission, SubmissionState.CANCELLED)
