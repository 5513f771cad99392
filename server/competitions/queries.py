"""SQL of competitions and of what is announced in them."""

from typing import Any

from sqlalchemy import Select, bindparam, func, select
from sqlalchemy.orm import Session, defer

from lethe.server.database.statements import prepared
from lethe.server.models import Announcement, Competition, CompetitionHost, Team, TermsAcceptance, User


@prepared
def _any_competition() -> Select[Competition]:
    return select(Competition).where(Competition.slug == bindparam("slug"))


@prepared
def _published_competition() -> Select[Competition]:
    return select(Competition).where(Competition.slug == bindparam("slug"), Competition.opened_at.is_not(None))


@prepared
def _published_calendar() -> Select[Competition]:
    light = (defer(Competition.specification, raiseload=True), defer(Competition.prepared, raiseload=True))
    return (
        select(Competition)
        .options(*light)
        .where(Competition.slug == bindparam("slug"), Competition.opened_at.is_not(None))
    )


def find_competition(session: Session, slug: str, *, drafts: bool) -> Competition | None:
    """Return the competition called `slug`, or None; drafts are found only if `drafts`."""
    statement = _any_competition if drafts else _published_competition
    competition: Competition | None = statement.entities(session, slug=slug).scalar_one_or_none()
    return competition


@prepared
def _hosted_competition(is_operator: bool) -> Select[Competition]:
    found = select(Competition).where(Competition.slug == bindparam("slug"))
    if is_operator:
        return found
    hosts = select(CompetitionHost.user_id).where(
        CompetitionHost.competition_id == Competition.id, CompetitionHost.user_id == bindparam("user_id")
    )
    return found.where(hosts.exists())


def find_hosted(session: Session, slug: str, user: User) -> Competition | None:
    """Return the competition called `slug` if `user` hosts it, draft or not, as operators host all; else None."""
    found = _hosted_competition.entities(session, user.is_operator, slug=slug, user_id=user.id)
    competition: Competition | None = found.scalar_one_or_none()
    return competition


def find_calendar(session: Session, slug: str) -> Competition | None:
    """Return the published competition without its documents, which are long, or None."""
    competition: Competition | None = _published_calendar.entities(session, slug=slug).scalar_one_or_none()
    return competition


def slugs(session: Session, *, drafts: bool) -> list[str]:
    """Return the slugs of all competitions in alphabetical order, with drafts only if `drafts`."""
    query = select(Competition.slug).order_by(Competition.slug)
    return list(session.scalars(query if drafts else query.where(Competition.opened_at.is_not(None))))


def published_competitions(session: Session) -> list[Competition]:
    """Return every competition that was opened, newest first."""
    published = select(Competition).where(Competition.opened_at.is_not(None))
    return list(session.scalars(published.order_by(Competition.opened_at.desc())))


def all_competitions(session: Session) -> list[Competition]:
    """Return every competition, drafts included, newest first."""
    return list(session.scalars(select(Competition).order_by(Competition.created_at.desc())))


@prepared
def team_counts() -> Select[int, Any]:
    """How many teams the competition `competition_id` has, and how many submissions those have sent."""
    return select(func.count().label("teams"), func.coalesce(func.sum(Team.submissions), 0).label("submissions")).where(
        Team.competition_id == bindparam("competition_id")
    )


@prepared
def longest_step() -> Select[float | None]:
    """The longest `leaks.step_s` among the competitions that take uploads, or may still run what they took."""
    step_s = Competition.specification["leaks"]["step_s"].as_float()
    is_live = Competition.revealed_at.is_(None) | Competition.benchmark_started_at.is_not(None)
    return select(func.max(step_s)).where(Competition.opened_at.is_not(None), is_live)


@prepared
def summary() -> Select[str]:
    """The summary of the competition `competition_id`."""
    text = Competition.specification["summary"].as_string()
    return select(text).where(Competition.id == bindparam("competition_id"))


@prepared
def methods_shown() -> Select[str | None]:
    """The `board.methods` of the competition `competition_id`; None if it was stored before there was one."""
    when = Competition.specification["board"]["methods"].as_string()
    return select(when).where(Competition.id == bindparam("competition_id"))


def accepted_counts(session: Session, competition: Competition) -> dict[str, int]:
    """Return how many people have accepted each version of the competition's terms."""
    rows = session.execute(
        select(TermsAcceptance.terms_sha256, func.count().label("people"))
        .where(TermsAcceptance.competition_id == competition.id)
        .group_by(TermsAcceptance.terms_sha256)
    )
    return {row.terms_sha256: row.people for row in rows}


def announcements(session: Session, competition: Competition) -> list[Announcement]:
    """Return the competition's announcements, newest first."""
    return list(
        session.scalars(
            select(Announcement)
            .where(Announcement.competition_id == competition.id)
            .order_by(Announcement.created_at.desc(), Announcement.id)
        )
    )
