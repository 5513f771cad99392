"""REST: uploading a file and following what becomes of it."""

from pathlib import PurePosixPath
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, File, Header, Query, Response, UploadFile

from evaluator.contract.submission import FILENAME
from server.auth import CurrentUser
from server.competitions.service import get_competition, require_open, specification
from server.context import AppContext
from server.submissions import service
from server.submissions.schemas import SubmissionLog, SubmissionPage, SubmissionView
from server.submissions.static_check import check_file, reading_limit
from server.submissions.views import view

router = APIRouter(tags=["submissions"])


@router.post(
    "/competitions/{slug}/submissions",
    status_code=202,
    responses={
        200: {"model": SubmissionView, "description": "The same file was uploaded before; this is that submission"},
        413: {"description": "The file is over the competition's size limit"},
        422: {"description": "The file cannot be a submission; `code` and `line` say why"},
    },
)
def upload(
    slug: str,
    file: Annotated[UploadFile, File(description="One Python file, or a notebook, that defines unlearning")],
    user: CurrentUser,
    context: AppContext,
    response: Response,
    idempotency_key: Annotated[str | None, Header(max_length=200)] = None,
) -> SubmissionView:
    """Upload a submission. It is checked without being executed, stored, and queued."""
    with context.database.read() as session:
        competition = get_competition(session, slug)
        require_open(competition)
    limit_bytes = specification(competition).limits.upload_bytes
    filename = clean_filename(file.filename)
    data = file.file.read(reading_limit(filename, limit_bytes) + 1)
    checked = check_file(data, filename=filename, limit_bytes=limit_bytes)
    received = service.Upload(
        filename=filename, data=checked.source, notes=checked.notes, idempotency_key=idempotency_key
    )
    source_key = service.store_source(context.artifacts, received)
    with context.database.write() as session:
        submission, is_new = service.accept(
            session,
            competition=get_competition(session, slug),
            user=user,
            upload=received,
            source_key=source_key,
        )
        answer = view(session, submission)
    if is_new:
        context.wake.workers()
    else:
        response.status_code = 200
    response.headers["Location"] = f"/api/v1/submissions/{submission.id}"
    return answer


@router.get("/competitions/{slug}/submissions")
def list_submissions(
    slug: str,
    user: CurrentUser,
    context: AppContext,
    offset: Annotated[int, Query(ge=0, lt=2**31)] = 0,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> SubmissionPage:
    """My team's submissions, newest first."""
    with context.database.read() as session:
        competition = get_competition(session, slug)
        found = service.list_own(session, competition, user, offset=offset, limit=limit + 1)
        items = [view(session, submission) for submission in found[:limit]]
    return SubmissionPage(items=items, next_offset=offset + limit if len(found) > limit else None)


@router.get("/submissions/{submission_id}")
def get_submission(submission_id: UUID, user: CurrentUser, context: AppContext) -> SubmissionView:
    """State, progress, and score or error of one of my team's submissions."""
    with context.database.read() as session:
        return view(session, service.get_own(session, submission_id, user))


@router.get("/submissions/{submission_id}/source", response_class=Response)
def get_source(submission_id: UUID, user: CurrentUser, context: AppContext) -> Response:
    """The uploaded file, byte for byte; of a notebook the Python file that was made of it."""
    with context.database.read() as session:
        submission = service.get_own(session, submission_id, user)
    return Response(
        context.artifacts.get(submission.source_key),
        media_type="text/plain; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{FILENAME}"', "X-Content-Type-Options": "nosniff"},
    )


@router.get("/submissions/{submission_id}/log")
def get_log(submission_id: UUID, user: CurrentUser, context: AppContext) -> SubmissionLog:
    """Output of the check stage on practice data. Runs on hidden data leave no log."""
    with context.database.read() as session:
        submission = service.get_own(session, submission_id, user)
    report = submission.check_report or {}
    return SubmissionLog(
        stdout=report.get("stdout", ""),
        stderr=report.get("stderr", ""),
        traceback=report.get("traceback", ""),
        packages=report.get("packages", []),
        wall_s=report.get("wall_s"),
        cpu_s=report.get("cpu_s"),
        peak_memory_bytes=report.get("peak_memory_bytes"),
    )


@router.post("/submissions/{submission_id}/cancel")
def cancel(submission_id: UUID, user: CurrentUser, context: AppContext) -> SubmissionView:
    """End a submission that is not yet scored."""
    with context.database.write() as session:
        submission = service.get_own(session, submission_id, user)
        service.cancel(session, submission)
        return view(session, submission)


def clean_filename(name: str | None) -> str:
    """The last part of the client's file name, printable, at most 100 characters; for display only."""
    last = PurePosixPath((name or "").replace("\\", "/")).name
    shown = "".join(letter for letter in last if letter.isprintable())[:100]
    return shown if shown.strip(". ") else FILENAME
