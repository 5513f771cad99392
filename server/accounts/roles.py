"""Who may do what: participants by default, hosts of a competition, operators of the site."""

from sqlalchemy.orm import Session

from server.accounts import queries
from server.errors import NotFound
from server.models import Competition, CompetitionHost, User


def is_host(session: Session, competition: Competition, user: User) -> bool:
    """Whether `user` hosts `competition`; operators host every one."""
    if user.is_operator:
        return True
    return session.get(CompetitionHost, (competition.id, user.id)) is not None


def hosted_competitions(session: Session, user: User) -> list[Competition]:
    """The competitions that `user` hosts, drafts too, the newest first; all of them for operators."""
    return queries.hosted_competitions(session, user)


def require_host(session: Session, competition: Competition, user: User) -> None:
    """Raise NotFound unless `user` hosts `competition`: what is not yours does not exist for you."""
    if not is_host(session, competition, user):
        raise NotFound("There is nothing here for this account.")


def require_operator(user: User) -> None:
    """Raise NotFound unless `user` is an operator."""
    if not user.is_operator:
        raise NotFound("There is nothing here for this account.")


def hosts(session: Session, competition: Competition) -> list[str]:
    """The user names of the hosts of `competition`, operators aside."""
    return queries.host_names(session, competition.id)
