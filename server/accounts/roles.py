"""Roles: participants by default, hosts of a competition, operators of the site."""

from sqlalchemy.orm import Session

from lethe.server.accounts import queries
from lethe.server.errors import NotFound
from lethe.server.models import Competition, CompetitionHost, User


def is_host(session: Session, competition: Competition, user: User) -> bool:
    """Whether `user` hosts `competition`; operators host every one."""
    if user.is_operator:
        return True
    return session.get(CompetitionHost, (competition.id, user.id)) is not None


def hosted_competitions(session: Session, user: User) -> list[Competition]:
    """Return the competitions that `user` hosts, drafts too, the newest first; all of them for operators."""
    return queries.hosted_competitions(session, user)


def require_host(session: Session, competition: Competition, user: User) -> None:
    """Raise NotFound unless `user` hosts `competition`, as if the page did not exist."""
    if not is_host(session, competition, user):
        raise NotFound("There is nothing here for this account.")


def require_operator(user: User) -> None:
    """Raise NotFound unless `user` is an operator."""
    if not user.is_operator:
        raise NotFound("There is nothing here for this account.")


def hosts(session: Session, competition: Competition) -> list[str]:
    """Return the user names of the hosts of `competition`, without operators."""
    return queries.host_names(session, competition.id)
