"""REST: public facts of competitions, and accepting their terms."""

from fastapi import APIRouter, Request, Response

from lethe.server.competitions import practice, queries, service, terms
from lethe.server.competitions.schemas import (
    AnnouncementView,
    CompetitionFacts,
    CompetitionRow,
    NewAcceptance,
    TermsAccepted,
)
from lethe.server.context import AppContext
from lethe.server.http.artifact_download import MEDIA_TYPE
from lethe.server.security.credentials import CurrentUser

router = APIRouter(tags=["competitions"])


@router.get("/competitions")
def list_competitions(context: AppContext) -> list[CompetitionRow]:
    """Open and closed competitions, newest first."""
    with context.database.read() as session:
        return service.list_rows(session)


@router.get("/competitions/{slug}")
def get_competition(slug: str, context: AppContext) -> CompetitionFacts:
    """Rules, limits, phase and counts of one competition; never anything hidden."""
    with context.database.read() as session:
        return service.facts(session, service.get_competition(session, slug))


@router.post("/competitions/{slug}/terms")
def accept_terms(slug: str, read: NewAcceptance, user: CurrentUser, context: AppContext) -> TermsAccepted:
    """Accept the terms of a competition as they are now; a person does that, before their first upload."""
    with context.database.write() as session:
        return terms.accept(session, service.get_competition(session, slug), user, read.sha256)


@router.get("/competitions/{slug}/announcements")
def list_announcements(slug: str, context: AppContext) -> list[AnnouncementView]:
    """The host's announcements, newest first."""
    with context.database.read() as session:
        found = queries.announcements(session, service.get_competition(session, slug))
    return [AnnouncementView(title=one.title, body=one.body, created_at=one.created_at) for one in found]


@router.get(
    "/competitions/{slug}/practice",
    response_class=Response,
    responses={
        200: {"content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}},
        206: {"description": "The range of bytes that Range asks for"},
        304: {"description": "Unchanged since the ETag sent in If-None-Match"},
        416: {"description": "The range begins behind the end of the file"},
    },
)
def get_practice(slug: str, request: Request, context: AppContext) -> Response:
    """The practice bundle: practice data, the model trained on them and outputs of practice oracles, as safetensors.

    `lethe practice` and `lethe check -c` read it. The ETag is its SHA-256. An address may have 300 downloads
    an hour, whole or in part, if the operator has not set another rate.
    """
    return practice.answer_download(context, slug, request)
