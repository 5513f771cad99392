"""Pages of a query: newest first, addressed by an opaque cursor."""

import base64
from datetime import UTC, datetime
from typing import TypeVar
from uuid import UUID

from sqlalchemy import Select, literal, tuple_
from sqlalchemy.orm import Session

from lethe.server.errors import RequestError
from lethe.server.models.base import Entity

Row = TypeVar("Row", bound=Entity)

FIRST, LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(3000, 1, 1, tzinfo=UTC)
_INVALID = "This list did not issue this cursor. Leave it out to start at the first page."


class InvalidCursor(RequestError):
    """No page was answered with this cursor."""

    status = 422
    code = "invalid_cursor"
    title = "Invalid cursor"


def fetch_page(
    session: Session, query: Select[Row], entity: type[Row], *, cursor: str | None, limit: int
) -> tuple[list[Row], str | None]:
    """Return up to `limit` rows of `query` after `cursor`, newest first, and the next cursor; raises InvalidCursor."""
    if cursor is not None:
        created_at, identifier = _decode(cursor)
        after = tuple_(literal(created_at, entity.created_at.type), literal(identifier, entity.id.type))
        query = query.where(tuple_(entity.created_at, entity.id) < after)
    rows = list(session.scalars(query.order_by(entity.created_at.desc(), entity.id.desc()).limit(limit + 1)))
    return rows[:limit], _encode(rows[limit - 1]) if len(rows) > limit else None


def _encode(row: Entity) -> str:
    return base64.urlsafe_b64encode(f"{row.created_at.isoformat()} {row.id.hex}".encode()).decode().rstrip("=")


def _decode(cursor: str) -> tuple[datetime, UUID]:
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
        time, _, identifier = text.partition(" ")
        created_at, row_id = datetime.fromisoformat(time), UUID(hex=identifier)
        is_possible = FIRST <= created_at <= LAST
    except (ValueError, TypeError) as error:  # a time without a zone cannot be compared
        raise InvalidCursor(_INVALID) from error
    if not is_possible:
        raise InvalidCursor(_INVALID)
    return created_at, row_id
