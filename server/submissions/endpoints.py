"""REST: upload a submission, follow it, cancel it and select it."""

from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.sse import EventSourceResponse

from lethe.evaluator.contract.submission import FILENAME
from lethe.server.competitions.service import get_competition, specification
from lethe.server.context import AppContext
from lethe.server.http.client_address import client_address
from lethe.server.http.paging import Page, PageCursor, PageLimit
from lethe.server.leaderboard.measures import MeasuresView
from lethe.server.security.credentials import CurrentUser
from lethe.server.submissions import (
    comparisons,
    completion,
    measures,
    quotas,
    selections,
    service,
    upload_body,
    uploads,
)
from lethe.server.submissions.descriptions import description_of
from lethe.server.submissions.event_stream import Feed
from lethe.server.submissions.schemas import (
    ComparisonView,
    QuotaView,
    ReceiptView,
    SubmissionLog,
    SubmissionView,
    UploadAnswer,
)
from lethe.server.submissions.short_ids import OtherId, Prefix, SubmissionId, visible_ids
from lethe.server.submissions.views import NO_LOG, receipt, submission_log, view, view_all
from lethe.server.teams.service import find_team

router = APIRouter(tags=["submissions"])


@router.post(
    "/competitions/{slug}/submissions",
    status_code=202,
    openapi_extra=upload_body.DESCRIPTION,
    responses={
        200: {"model": UploadAnswer, "description": "The same file was uploaded before; this is that submission"},
        413: {"description": "The file is over the competition's size limit"},
        422: {"description": "The file cannot be a submission; `code` and `line` say why"},
    },
)
async def upload(
    slug: str,
    request: Request,
    user: CurrentUser,
    context: AppContext,
    response: Response,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=200)] = None,
) -> UploadAnswer:
    """Upload a submission. It is checked without being executed, stored, and queued.

    With an `Idempotency-Key` the same upload, sent again within a day, answers with the same submission.
    """
    competition = await run_in_threadpool(uploads.open_competition, context, slug)
    file = await upload_body.read_file(request, specification(competition).limits.upload_bytes)
    sent = uploads.Upload(
        filename=upload_body.clean_filename(file.filename),
        data=file.data,
        user=user,
        address=client_address(request.scope),
        idempotency_key=idempotency_key,
        description=description_of(file.fields),
    )
    received = await upload_body.run_in_upload_thread(context, user.id, uploads.receive, context, competition, sent)
    response.status_code = received.status
    response.headers.update(received.headers)
    response.headers["Location"] = f"/api/v1/submissions/{received.answer.id}"
    return received.answer


@router.get("/competitions/{slug}/quota")
def get_quota(slug: str, user: CurrentUser, context: AppContext) -> QuotaView:
    """What my team and I have left."""
    with context.database.read() as session:
        competition = get_competition(session, slug)
        team = find_team(session, competition, user)
        return quotas.view(session, competition, team, user, specification(competition).quotas)


@router.get("/competitions/{slug}/submissions")
def list_submissions(
    slug: str, user: CurrentUser, context: AppContext, cursor: PageCursor = None, limit: PageLimit = 20
) -> Page[SubmissionView]:
    """My team's submissions, newest first."""
    with context.database.read() as session:
        competition = get_competition(session, slug)
        submissions, next_cursor = service.list_own(session, competition, user, cursor=cursor, limit=limit)
        return Page(items=view_all(session, submissions), next_cursor=next_cursor)


@router.get("/submissions")
def find_submissions(user: CurrentUser, context: AppContext, prefix: Prefix) -> list[UUID]:
    """At most 10 ids that begin with `prefix`: of my teams' submissions, and of those in competitions that I host."""
    with context.database.read() as session:
        return list(visible_ids(session, user, prefix))


@router.get("/submissions/{submission_id}")
def get_submission(submission_id: SubmissionId, user: CurrentUser, context: AppContext) -> SubmissionView:
    """State, progress, and score or error of one of my team's submissions."""
    with context.database.read() as session:
        return view(session, service.get_own(session, submission_id, user))


async def stream_place(user: CurrentUser, request: Request, context: AppContext) -> AsyncIterator[Feed]:
    """Yield the process's feed with a place for one stream of this account until the response ends."""
    feed = context.one(Feed)
    async with feed.place(user.username, client_address(request.scope)):
        yield feed


def own_submission(submission_id: SubmissionId, user: CurrentUser, context: AppContext) -> UUID:
    """Return the id if the user's team sent the submission; raises SubmissionNotFound otherwise."""
    with context.database.read() as session:
        return service.get_own(session, submission_id, user).id


@router.get("/submissions/{submission_id}/events", response_class=EventSourceResponse)
async def follow(
    submission_id: Annotated[UUID, Depends(own_submission)],
    feed: Annotated[Feed, Depends(stream_place)],
    user: CurrentUser,
) -> AsyncIterator[SubmissionView]:
    """Server-sent events: the submission now and after every change, until it has ended; at most 15 minutes."""
    async for current in feed.follow(submission_id, user):
        yield current


@router.get(
    "/submissions/{submission_id}/source",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
def get_source(submission_id: SubmissionId, user: CurrentUser, context: AppContext) -> Response:
    """The uploaded file, byte for byte; of a notebook the Python file that was made of it."""
    with context.database.read() as session:
        submission = service.get_own(session, submission_id, user)
    return Response(
        context.artifacts.get(submission.source_key),
        media_type="text/plain; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{FILENAME}"', "X-Content-Type-Options": "nosniff"},
    )


@router.get("/submissions/{submission_id}/log")
def get_log(submission_id: SubmissionId, user: CurrentUser, context: AppContext) -> SubmissionLog:
    """Output of the check stage on practice data. Runs on hidden data leave no log."""
    with context.database.read() as session:
        return submission_log(session, service.get_own(session, submission_id, user)) or NO_LOG


@router.get("/submissions/{submission_id}/compare/{other_id}")
def compare(submission_id: SubmissionId, other_id: OtherId, user: CurrentUser, context: AppContext) -> ComparisonView:
    """How the score of `other_id` differs from that of `submission_id`, both of one team of mine.

    Before the reveal a verdict is one word, for 30 pairs a day of a team. Their sources are at `/source`.
    """
    return comparisons.compare_own(context, user, submission_id, other_id)


@router.post("/submissions/{submission_id}/cancel")
def cancel(submission_id: SubmissionId, user: CurrentUser, context: AppContext) -> SubmissionView:
    """End a submission that is not yet scored: my team's, which still counts, or any of a competition that I host."""
    with context.database.write() as session:
        submission, owner = service.get_cancellable(session, submission_id, user)
        service.cancel(session, submission, owner)
        return view(session, submission)


@router.post("/submissions/{submission_id}/select")
def select(submission_id: SubmissionId, user: CurrentUser, context: AppContext) -> SubmissionView:
    """Choose my team's submission for the final evaluation, until the close.

    If you select none, your team's best scores are used.
    """
    with context.database.write() as session:
        submission = service.get_own(session, submission_id, user)
        selections.select_submission(session, submission)
        selected = view(session, submission)
    context.wake.workers()  # what a look had stopped runs whole now
    return selected


@router.post("/submissions/{submission_id}/unselect")
def unselect(submission_id: SubmissionId, user: CurrentUser, context: AppContext) -> SubmissionView:
    """Take a choice back, until the close."""
    with context.database.write() as session:
        submission = service.get_own(session, submission_id, user)
        selections.unselect_submission(session, submission)
        return view(session, submission)


@router.post("/submissions/{submission_id}/complete")
def complete(submission_id: SubmissionId, user: CurrentUser, context: AppContext) -> SubmissionView:
    """Let my team's submission that was stopped early run whole; a team may do so once a day."""
    with context.database.write() as session:
        submission = service.get_own(session, submission_id, user)
        completion.complete_own(session, submission)
        shown = view(session, submission)
    context.wake.workers()
    return shown


@router.get("/submissions/{submission_id}/receipt")
def get_receipt(submission_id: SubmissionId, user: CurrentUser, context: AppContext) -> ReceiptView:
    """What my team's score depends on. Hidden inputs appear as keyed fingerprints: equal inputs give equal ones."""
    with context.database.read() as session:
        return receipt(session, service.get_own(session, submission_id, user))


@router.get("/submissions/{submission_id}/measures")
def get_measures(submission_id: SubmissionId, user: CurrentUser, context: AppContext) -> MeasuresView:
    """Measures beside the score: of any submission of a competition that I host; after the reveal of my team's."""
    with context.database.read() as session:
        return measures.shown_measures(session, submission_id, user)


@router.post("/submissions/{submission_id}/measures", status_code=202)
def compute_measures(submission_id: SubmissionId, user: CurrentUser, context: AppContext) -> MeasuresView:
    """Have all measures of a submission's score computed, as a host of its competition. It takes up to minutes."""
    with context.database.write() as session:
        measures.ask_for_measures(session, submission_id, user)
        asked = measures.shown_measures(session, submission_id, user)
    context.wake.control()
    return asked
