"""Who may do what: participants by default, hosts of a competition, operators of the site."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from server.errors import NotFound
from server.models import Competition, CompetitionHost, User


def is_host(session: Session, competition: Competition, user: User) -> bool:
    """Whether `user` hosts `competition`; operators host every one."""
    if user.is_operator:
        return True
    return session.get(CompetitionHost, (competition.id, user.id)) is not None


def hosted_competitions(session: Session, user: User) -> list[Competition]:
    """The competitions that `user` hosts, drafts too, the newest first; all of them for operators."""
    query = select(Competition).order_by(Competition.created_at.desc())
    if not user.is_operator:
        query = query.join(CompetitionHost, CompetitionHost.competition_id == Competition.id).where(
            CompetitionHost.user_id == user.id
        )
    return list(session.scalars(query))


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
    return list(
        session.scalars(
            select(User.username)
            .join(CompetitionHost, CompetitionHost.user_id == User.id)
            .where(CompetitionHost.competition_id == competition.id)
            .order_by(User.username_key)
        )
    )
