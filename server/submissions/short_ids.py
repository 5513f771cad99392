"""The beginning of a submission's id in place of the id, as far as no other that the account may see begins so."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Path, Query
from fastapi.concurrency import run_in_threadpool
from sqlalchemy.orm import Session

from lethe.server.context import AppContext, Context
from lethe.server.models import Competition, User
from lethe.server.security.credentials import CurrentUser
from lethe.server.submissions import queries
from lethe.server.submissions.service import SubmissionNotFound

SHORTEST = 8
DIGITS = 32
PATTERN = rf"^[0-9a-fA-F]{{{SHORTEST}}}[0-9a-fA-F-]*$"
LONGEST = 36
DESCRIPTION = "A submission's id, or its first 8 digits or more"
LISTED = 10

Prefix = Annotated[str, Query(max_length=LONGEST, pattern=PATTERN, description="At least 8 digits of an id")]
IdText = Annotated[str, Path(max_length=LONGEST, pattern=PATTERN, description=DESCRIPTION)]


def visible_ids(session: Session, user: User, prefix: str) -> Sequence[UUID]:
    """Return at most 10 ids that begin with `prefix`, of the user's teams or of competitions that the user hosts."""
    bounds = id_range(prefix)
    return [] if bounds is None else queries.visible_ids(session, user, *bounds, limit=LISTED)


def resolve(session: Session, user: User, text: str) -> UUID:
    """Return the id that `text` is, whosever it is, or the one that begins so; raises SubmissionNotFound."""
    return full_id(text) or the_only(visible_ids(session, user, text))


def resolve_published(session: Session, competition: Competition, text: str) -> UUID:
    """Return the id that `text` is, or the one of a published source that begins so; raises SubmissionNotFound."""
    bounds = id_range(text)
    return full_id(text) or the_only([] if bounds is None else queries.published_ids(session, competition, *bounds))


def id_range(text: str) -> tuple[UUID, UUID] | None:
    """Return the first and the last id that begin with `text`, digits and dashes; None if no id does."""
    digits = text.replace("-", "")
    if len(digits) > DIGITS:
        return None
    return UUID(digits.ljust(DIGITS, "0")), UUID(digits.ljust(DIGITS, "f"))


def full_id(text: str) -> UUID | None:
    """Return the id if `text` has all of its digits, else None."""
    digits = text.replace("-", "")
    return UUID(digits) if len(digits) == DIGITS else None


def the_only(found: Sequence[UUID]) -> UUID:
    """Return the only id; raises SubmissionNotFound for none and for several."""
    if len(found) == 1:
        return found[0]
    raise SubmissionNotFound(
        "Several submissions have an id that begins so: give more of its digits."
        if found
        else "You have no submission with this id."
    )


def _resolve_apart(context: Context, user: User, text: str) -> UUID:
    with context.database.read() as session:
        return resolve(session, user, text)


async def _named(text: str, user: User, context: Context) -> UUID:
    known = full_id(text)
    return known if known is not None else await run_in_threadpool(_resolve_apart, context, user, text)


async def _submission(submission_id: IdText, user: CurrentUser, context: AppContext) -> UUID:
    return await _named(submission_id, user, context)


async def _other(other_id: IdText, user: CurrentUser, context: AppContext) -> UUID:
    return await _named(other_id, user, context)


SubmissionId = Annotated[UUID, Depends(_submission)]
OtherId = Annotated[UUID, Depends(_other)]
