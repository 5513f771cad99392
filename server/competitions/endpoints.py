"""REST: public facts of competitions."""

from fastapi import APIRouter

from lethe.server.competitions import queries, service
from lethe.server.competitions.schemas import AnnouncementView, CompetitionFacts, CompetitionRow
from lethe.server.context import AppContext

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


@router.get("/competitions/{slug}/announcements")
def list_announcements(slug: str, context: AppContext) -> list[AnnouncementView]:
    """The host's announcements, newest first."""
    with context.database.read() as session:
        found = queries.announcements(session, service.get_competition(session, slug))
    return [AnnouncementView(title=one.title, body=one.body, created_at=one.created_at) for one in found]
