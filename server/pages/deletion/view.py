"""The page on which a host keeps an archive and deletes a competition, as values for its template."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from lethe.server.competitions import service as competitions
from lethe.server.errors import RequestError
from lethe.server.hosting.photographs import require_ended
from lethe.server.models import Competition
from lethe.server.pages.card import Card, card
from lethe.server.pages.formatting import Moment, moment


@dataclass(frozen=True)
class DeletionPage:
    """`photographs_gone`: since when there are none; `not_yet`: why they cannot be deleted now."""

    card: Card
    problem: str
    photographs_gone: Moment | None
    not_yet: str


def deletion_page(session: Session, competition: Competition, *, problem: str = "") -> DeletionPage:
    """Return the page."""
    gone = competition.photographs_deleted_at
    try:
        require_ended(session, competition)
        not_yet = ""
    except RequestError as error:
        not_yet = str(error)
    return DeletionPage(
        card=card(competitions.row(session, competition)),
        problem=problem,
        photographs_gone=None if gone is None else moment(gone),
        not_yet=not_yet,
    )
