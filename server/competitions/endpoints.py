"""REST: public facts of competitions."""

from fastapi import APIRouter

from server.competitions import service
from server.competitions.schemas import CompetitionFacts, CompetitionRow
from server.context import AppContext

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
