"""REST: what a team says about its submissions, and the sources that teams have published."""

from fastapi import APIRouter, Response

from lethe.evaluator.contract.submission import FILENAME
from lethe.server.context import AppContext
from lethe.server.http.paging import Page, PageCursor, PageLimit
from lethe.server.security.credentials import CurrentUser
from lethe.server.submissions import publication, service
from lethe.server.submissions.descriptions import Description, describe
from lethe.server.submissions.publication import Publication, PublishedSource
from lethe.server.submissions.schemas import SubmissionView
from lethe.server.submissions.short_ids import IdText, SubmissionId
from lethe.server.submissions.views import view

router = APIRouter(tags=["submissions"])


@router.patch("/submissions/{submission_id}")
def describe_submission(
    submission_id: SubmissionId, changes: Description, user: CurrentUser, context: AppContext
) -> SubmissionView:
    """Change method, note or link of my team's submission until the reveal, or until the end of its benchmark.

    What is left out stays; null deletes it. A host of the competition may do it at any time.
    """
    with context.database.write() as session:
        submission, viewer = service.get_shown(session, submission_id, user)
        describe(session, submission, viewer, user, changes)
        return view(session, submission, viewer)


@router.put("/submissions/{submission_id}/publication")
def publish(submission_id: SubmissionId, given: Publication, user: CurrentUser, context: AppContext) -> SubmissionView:
    """Publish the source of my team's scored submission after the reveal, under a licence; repeated, change that."""
    with context.database.write() as session:
        submission = service.get_own(session, submission_id, user)
        publication.publish(session, submission, given.licence)
        return view(session, submission)


@router.delete("/submissions/{submission_id}/publication")
def withdraw(submission_id: SubmissionId, user: CurrentUser, context: AppContext) -> SubmissionView:
    """Show the source to nobody else any more. Copies that others have keep their licence."""
    with context.database.write() as session:
        submission = service.get_own(session, submission_id, user)
        publication.withdraw(submission)
        return view(session, submission)


@router.get("/competitions/{slug}/sources")
def list_sources(
    slug: str, context: AppContext, cursor: PageCursor = None, limit: PageLimit = 20
) -> Page[PublishedSource]:
    """The sources that teams have published, those of the newest uploads first."""
    with context.database.read() as session:
        items, next_cursor = publication.list_published(session, slug, cursor=cursor, limit=limit)
    return Page(items=items, next_cursor=next_cursor)


@router.get(
    "/competitions/{slug}/sources/{submission_id}",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
def get_published_source(slug: str, submission_id: IdText, context: AppContext) -> Response:
    """A published source, as it ran."""
    with context.database.read() as session:
        submission, _ = publication.find_published(session, slug, submission_id)
    return Response(
        context.artifacts.get(submission.source_key),
        media_type="text/plain; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{FILENAME}"', "X-Content-Type-Options": "nosniff"},
    )
