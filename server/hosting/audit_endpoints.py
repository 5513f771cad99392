"""REST: the audit log, for hosts of a competition and for operators."""

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from lethe.server.accounts.roles import require_operator
from lethe.server.audit_log.events import list_events
from lethe.server.competitions.service import get_hosted
from lethe.server.context import AppContext
from lethe.server.http.paging import Page, PageCursor, PageLimit
from lethe.server.models import AuditEvent
from lethe.server.security.credentials import CurrentUser

router = APIRouter(tags=["hosts"])


class AuditRow(BaseModel):
    id: UUID
    created_at: datetime
    actor: str = Field(description="user:NAME over HTTP, cli:NAME on the server", examples=["cli:root"])
    action: str = Field(examples=["competition.open"])
    target: str = Field(examples=["demo"])
    details: dict[str, Any]


def _page(found: tuple[list[AuditEvent], str | None]) -> Page[AuditRow]:
    events, following = found
    return Page(items=[AuditRow.model_validate(event, from_attributes=True) for event in events], next_cursor=following)


@router.get("/competitions/{slug}/audit")
def get_competition_audit(
    slug: str, user: CurrentUser, context: AppContext, cursor: PageCursor = None, limit: PageLimit = 20
) -> Page[AuditRow]:
    """What hosts and operators did in a competition of mine; 404 for everybody else."""
    with context.database.read() as session:
        competition = get_hosted(session, slug, user)
        return _page(list_events(session, competition_id=competition.id, cursor=cursor, limit=limit))


@router.get("/audit")
def get_audit(
    user: CurrentUser, context: AppContext, cursor: PageCursor = None, limit: PageLimit = 20
) -> Page[AuditRow]:
    """What hosts and operators did on this site; for operators."""
    require_operator(user)
    with context.database.read() as session:
        return _page(list_events(session, competition_id=None, cursor=cursor, limit=limit))
