"""The way of an upload: known already, or counted, checked without being executed, stored and queued."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, bindparam, select
from sqlalchemy.orm import Session

from evaluator.artifacts import ArtifactStore
from evaluator.contract.prepared_competition import ArtifactRef
from evaluator.contract.specification import CompetitionSpec
from evaluator.contract.states import Evaluation, SubmissionState
from server.competitions.phases import require_open
from server.competitions.service import get_competition, specification
from server.context import Context
from server.database.statements import prepared
from server.errors import Forbidden
from server.lifecycle.transitions import OfSubmission
from server.logs import current_request_id
from server.models import Competition, Submission, Team, TeamMember, User
from server.models.times import utc_now
from server.queue.estimates import deadline
from server.queue.planning import advance
from server.submissions import idempotency, quotas
from server.submissions.schemas import UploadAnswer
from server.submissions.static_check import CheckedFile, check_file
from server.submissions.views import view
from server.teams.service import team_of

NEW, KNOWN = 202, 200


class TeamDisqualified(Forbidden):
    """A disqualified team submits nothing."""

    code = "team_disqualified"
    title = "Team is disqualified"


@dataclass(frozen=True)
class Upload:
    """A file as it was received, from whom, from where and when: a slow check makes nobody late."""

    filename: str
    data: bytes
    user: User
    address: str = ""
    idempotency_key: str | None = None
    received_at: datetime = field(default_factory=utc_now)


@dataclass(frozen=True)
class _Found:
    """What answers an upload, with which status; its team and how much of the quotas that has used, where known."""

    submission: Submission
    status: int
    team: Team | None = None
    used: quotas.Usage | None = None


@dataclass(frozen=True)
class Received:
    """The answer to an upload: its HTTP status, body and quota headers."""

    status: int
    answer: UploadAnswer
    headers: dict[str, str]


def open_competition(context: Context, slug: str) -> Competition:
    """The competition that an upload is for; raises what `require_open` does, before anything of the file is read."""
    with context.database.read() as session:
        competition = get_competition(session, slug)
    require_open(competition)
    return competition


def receive(context: Context, competition: Competition, upload: Upload) -> Received:
    """The submission for `upload`, which is queued in one transaction if it is new.

    The same team's identical source answers with the earlier submission unless that one failed or was cancelled:
    resubmitting buys no luck, and costs nothing. Anything else, and every notebook, counts as an attempt before it is
    looked at. Raises CompetitionNotOpen, AttemptsUsed, RefusedFile, IdempotencyMismatch and the errors of
    `quotas.require_room`.
    """
    spec = specification(competition)
    limits = quotas.AttemptLimits(spec.quotas.attempts_per_day, context.settings.attempts_per_address)
    with context.database.write() as session:
        known = _known(session, competition, upload, _sha256(upload.data))
        if known is not None:
            return _received(session, competition, spec, known, upload.user)
        attempts = quotas.count_attempt(session, competition, upload.user, upload.address, limits)
    checked = check_file(upload.data, filename=upload.filename, limit_bytes=spec.limits.upload_bytes)
    source = store_source(context.artifacts, checked)
    with context.database.write() as session:
        found = accept(session, competition, spec, upload, source, checked.notes)
        received = _received(session, competition, spec, found, upload.user, attempts=attempts)
    if received.status == NEW:
        context.wake.workers()
    return received


def store_source(artifacts: ArtifactStore, checked: CheckedFile) -> ArtifactRef:
    """Where the source now lies; identical sources share one artifact."""
    return artifacts.put(f"sources/{_sha256(checked.source)}.py", checked.source)


def accept(
    session: Session,
    competition: Competition,
    spec: CompetitionSpec,
    upload: Upload,
    source: ArtifactRef,
    notes: tuple[str, ...],
) -> _Found:
    """The submission for a checked upload, in the caller's transaction.

    The team stays locked in it, so quotas hold however many uploads arrive at once.
    """
    team = team_of(session, competition, upload.user)
    known = _known(session, competition, upload, source.sha256)
    if known is not None:
        return known
    require_open(competition, upload.received_at)
    if team.disqualified_reason is not None:
        raise TeamDisqualified(f"Your team is disqualified: {team.disqualified_reason}")
    used = quotas.require_room(session, team, spec.quotas)
    team.submissions += 1
    submission = Submission(
        competition_id=competition.id,
        team_id=team.id,
        user_id=upload.user.id,
        request_id=current_request_id(),
        filename=upload.filename,
        notes=list(notes) or None,
        source_key=source.key,
        source_sha256=source.sha256,
        runs_total=spec.evaluation.runs,
        deadline_at=deadline(spec),
    )
    session.add(submission)
    advance(session, submission, spec, OfSubmission.SUBMITTED, is_new=True)
    if upload.idempotency_key is not None:
        digest = idempotency.request_digest(competition.slug, _sha256(upload.data))
        idempotency.remember(session, upload.user, upload.idempotency_key, digest, submission, NEW)
    return _Found(submission, NEW, team, used.with_one_more())


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _known(session: Session, competition: Competition, upload: Upload, source_sha256: str) -> _Found | None:
    """An earlier submission of the uploader's team that answers this upload, or None."""
    if upload.idempotency_key is not None:
        digest = idempotency.request_digest(competition.slug, _sha256(upload.data))
        recalled = idempotency.recall(session, upload.user, upload.idempotency_key, digest)
        if recalled is not None:
            return _Found(*recalled)
    identical = _identical.rows(
        session, competition_id=competition.id, user_id=upload.user.id, source_sha256=source_sha256
    ).scalar()
    return None if identical is None else _Found(session.get_one(Submission, identical), KNOWN)


@prepared
def _identical() -> Select[UUID]:
    """The newest submission of the user's team with this source that neither failed nor was cancelled."""
    return (
        select(Submission.id)
        .join(TeamMember, TeamMember.team_id == Submission.team_id)
        .where(
            TeamMember.competition_id == bindparam("competition_id"),
            TeamMember.user_id == bindparam("user_id"),
            Submission.evaluation == Evaluation.PUBLIC,
            Submission.source_sha256 == bindparam("source_sha256"),
            Submission.state != SubmissionState.FAILED,
            Submission.state != SubmissionState.CANCELLED,
        )
        .order_by(Submission.created_at.desc())
        .limit(1)
    )


def _received(
    session: Session,
    competition: Competition,
    spec: CompetitionSpec,
    found: _Found,
    user: User,
    *,
    attempts: int | None = None,
) -> Received:
    session.add(competition)  # `view` would load it again
    team = found.team or session.get_one(Team, found.submission.team_id)
    left = quotas.view(session, competition, team, user, spec.quotas, used=found.used, attempts=attempts)
    shown = view(session, found.submission, with_estimate=False)
    answer = UploadAnswer(**shown.model_dump(), quota=left)
    return Received(status=found.status, answer=answer, headers=quotas.headers(spec.quotas, left))
