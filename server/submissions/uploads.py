"""Handle an upload: find the same one sent before, or count, check (without executing), store and queue it."""

from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from sqlalchemy.orm import Session

from lethe.evaluator.artifacts import ArtifactStore
from lethe.evaluator.artifacts.store import sha256_hex
from lethe.evaluator.contract.parts import total_runs
from lethe.evaluator.contract.prepared_competition import ArtifactRef
from lethe.evaluator.contract.specification import CompetitionSpec
from lethe.server.competitions.phases import evaluation_of_uploads, require_open
from lethe.server.competitions.service import get_competition, specification
from lethe.server.competitions.terms import require_accepted
from lethe.server.context import Context
from lethe.server.errors import Forbidden
from lethe.server.lifecycle.transitions import OfSubmission
from lethe.server.logs import current_request_id
from lethe.server.models import Competition, Submission, Team, User
from lethe.server.models.times import utc_now
from lethe.server.queue.estimates import deadline
from lethe.server.queue.planning import advance
from lethe.server.submissions import idempotency, queries, quotas
from lethe.server.submissions.descriptions import Description
from lethe.server.submissions.schemas import UploadAnswer
from lethe.server.submissions.static_check import CheckedFile, check_file
from lethe.server.submissions.views import view
from lethe.server.teams.service import team_of

NEW, REPEATED = 202, 200


class TeamDisqualified(Forbidden):
    """A disqualified team submits nothing."""

    code = "team_disqualified"
    title = "Team is disqualified"


@dataclass(frozen=True)
class Upload:
    """A file with its sender, what its team says about it, and the time of its receipt, which decides if it is late."""

    filename: str
    data: bytes
    user: User
    address: str = ""
    idempotency_key: str | None = None
    description: Description = field(default_factory=Description)
    received_at: datetime = field(default_factory=utc_now)

    @cached_property
    def sha256(self) -> str:
        """The digest of the file, computed once and passed on to whatever needs it."""
        return sha256_hex(self.data)


@dataclass(frozen=True)
class _Outcome:
    """The submission that answers an upload, the status, and of a new one the team and its use of the quotas."""

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
    """Return the competition of an upload before its file is read; raises as `require_open` does."""
    with context.database.read() as session:
        competition = get_competition(session, slug)
    require_open(competition)
    return competition


def receive(context: Context, competition: Competition, upload: Upload) -> Received:
    """Return the submission for `upload`; a new one is queued in one transaction.

    If the same team sent an identical source before, or one that differs in comments and layout only, and that
    submission neither failed nor was cancelled, it is the answer, with the description that it has: resubmitting buys
    no luck, and costs nothing. To a benchmark a team sends what it sent before the deadline once again.
    Everything else, and every notebook, counts as an attempt before it is checked. Raises CompetitionNotOpen,
    TermsNotAccepted, AttemptsUsed, RefusedFile, IdempotencyMismatch and the errors of `quotas.require_room`.
    """
    spec = specification(competition)
    limits = quotas.AttemptLimits(spec.quotas.attempts_per_day, context.settings.attempts_per_address)
    with context.database.write() as session:
        earlier = _find_earlier(session, competition, upload, upload.sha256)
        if earlier is not None:
            return _received(session, competition, spec, earlier, upload.user)
        require_accepted(session, competition, upload.user)
        attempts = quotas.count_attempt(session, competition, upload.user, upload.address, limits)
    checked = check_file(
        upload.data,
        filename=upload.filename,
        limit_bytes=spec.limits.upload_bytes,
        dependencies=spec.dependencies,
    )
    source = store_source(context.artifacts, upload, checked)
    with context.database.write() as session:
        outcome = accept(session, competition, spec, upload, source, checked)
        received = _received(session, competition, spec, outcome, upload.user, attempts=attempts)
    if received.status == NEW:
        context.wake.workers()
    return received


def store_source(artifacts: ArtifactStore, upload: Upload, checked: CheckedFile) -> ArtifactRef:
    """Store the source that will run and return where; identical sources share one artifact."""
    is_upload = checked.source is upload.data  # or made of a notebook
    sha256 = upload.sha256 if is_upload else sha256_hex(checked.source)
    return artifacts.put(f"sources/{sha256}.py", checked.source, sha256=sha256)


def accept(
    session: Session,
    competition: Competition,
    spec: CompetitionSpec,
    upload: Upload,
    source: ArtifactRef,
    checked: CheckedFile,
) -> _Outcome:
    """Return the submission for a checked upload, in the caller's transaction.

    The team stays locked until its end, so quotas hold however many uploads arrive at once.
    """
    team = team_of(session, competition, upload.user)
    earlier = _find_earlier(session, competition, upload, source.sha256, checked.form_sha256)
    if earlier is not None:
        return earlier
    require_open(competition, upload.received_at)
    if team.disqualified_reason is not None:
        raise TeamDisqualified(f"Your team is disqualified: {team.disqualified_reason}")
    evaluation = evaluation_of_uploads(competition)
    used = quotas.require_room(session, team, spec.quotas, evaluation)
    team.submissions += 1
    submission = Submission(
        competition_id=competition.id,
        team_id=team.id,
        user_id=upload.user.id,
        request_id=current_request_id(),
        evaluation=evaluation,
        filename=upload.filename,
        notes=list(checked.notes) or None,
        source_key=source.key,
        source_sha256=source.sha256,
        form_sha256=checked.form_sha256,
        shape_sha256=checked.shape_sha256,
        # A source that failed or was cancelled gets other seeds: code that looks at the clock could probe them.
        seed_epoch=queries.next_seed_epoch.rows(
            session, team_id=team.id, evaluation=evaluation, source_sha256=source.sha256
        ).scalar_one(),
        **upload.description.model_dump(),
        runs_total=total_runs(spec),
        deadline_at=deadline(spec),
    )
    session.add(submission)
    advance(session, submission, spec, OfSubmission.SUBMITTED, is_new=True)
    if upload.idempotency_key is not None:
        digest = idempotency.request_digest(competition.slug, upload.sha256)
        idempotency.remember(session, upload.user, upload.idempotency_key, digest, submission, NEW)
    return _Outcome(submission, NEW, team, used.with_one_more())


def _find_earlier(
    session: Session, competition: Competition, upload: Upload, source_sha256: str, form_sha256: str | None = None
) -> _Outcome | None:
    """Return the earlier submission of the uploader's team that answers this upload, or None."""
    if upload.idempotency_key is not None:
        digest = idempotency.request_digest(competition.slug, upload.sha256)
        recalled = idempotency.recall(session, upload.user, upload.idempotency_key, digest)
        if recalled is not None:
            return _Outcome(*recalled)
    of: dict[str, Any] = {
        "competition_id": competition.id,
        "user_id": upload.user.id,
        "evaluation": evaluation_of_uploads(competition),
    }
    identical = queries.identical_submission.rows(session, **of, source_sha256=source_sha256).scalar()
    if identical is None and form_sha256 is not None:
        identical = queries.submission_of_form.rows(session, **of, form_sha256=form_sha256).scalar()
    return None if identical is None else _Outcome(session.get_one(Submission, identical), REPEATED)


def _received(
    session: Session,
    competition: Competition,
    spec: CompetitionSpec,
    outcome: _Outcome,
    user: User,
    *,
    attempts: int | None = None,
) -> Received:
    session.add(competition)  # `view` would load it again
    team = outcome.team or session.get_one(Team, outcome.submission.team_id)
    left = quotas.view(session, competition, team, user, spec.quotas, used=outcome.used, attempts=attempts)
    shown = view(session, outcome.submission, with_estimate=False)
    answer = UploadAnswer(**shown.model_dump(), quota=left)
    return Received(status=outcome.status, answer=answer, headers=quotas.headers(spec.quotas, left))
