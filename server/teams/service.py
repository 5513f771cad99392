"""Rules of teams: one for each person and competition, joined by invitation.

Quotas belong to teams, so a person who has submitted stays with the team that did: nobody leaves or changes a team
that has submitted. Others may join such a team, as far as there is room, if they have submitted nothing themselves.
"""

import unicodedata
from datetime import timedelta
from functools import cache
from uuid import UUID

from sqlalchemy import Select, bindparam, delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from server.competitions.phases import require_not_over
from server.competitions.service import specification
from server.db import utc_now
from server.digests import digest_secret, new_secret
from server.errors import Conflict, NotFound
from server.leaderboard.standings import touch
from server.models import Competition, Submission, Team, TeamInvite, TeamMember, User
from server.teams.schemas import InviteRow, TeamView

INVITE_PREFIX = "lethet_"
INVITE_DAYS = 7
MAX_OPEN_INVITES = 20
KEY_CHARS = 80


class TeamNotFound(NotFound):
    """Does not exist, or is another team."""

    code = "team_not_found"
    title = "No such team"


class InviteNotFound(NotFound):
    """Unknown, expired or used."""

    code = "invite_not_found"
    title = "No such invitation"


class TeamNameTaken(Conflict):
    """Another team of the competition bears the name, or one that looks like it."""

    code = "team_name_taken"
    title = "Team name taken"


class AlreadyInTeam(Conflict):
    """One person, one team per competition."""

    code = "already_in_team"
    title = "Already in a team"


class TeamFixed(Conflict):
    """The team has submitted, so its members stay."""

    code = "team_fixed"
    title = "Team has submitted"


class TeamFull(Conflict):
    """The team has as many members as the competition allows."""

    code = "team_full"
    title = "Team is full"


class TooManyInvites(Conflict):
    """A team has a bounded number of open invitations."""

    code = "too_many_invites"
    title = "Too many invitations"


def team_of(session: Session, competition: Competition, user: User) -> Team:
    """The user's team in `competition`, made on first use under the user's name, locked until the commit.

    The lock on the user keeps two first uploads from making two teams; the lock on the team lets one upload of the
    team see the other.
    """
    _lock_user(session, user)
    team = find_team(session, competition, user, lock=True)
    return team or _add(session, competition, user, _free_name(session, competition, user.username))


def find_team(session: Session, competition: Competition, user: User, *, lock: bool = False) -> Team | None:
    """The user's team in `competition`, or None."""
    return session.scalar(_of_user(lock=lock), {"competition_id": competition.id, "user_id": user.id})


@cache  # making a statement costs as much time as PostgreSQL takes for it
def _of_user(*, lock: bool) -> Select[Team]:
    query = (
        select(Team)
        .join(TeamMember, TeamMember.team_id == Team.id)
        .where(TeamMember.competition_id == bindparam("competition_id"), TeamMember.user_id == bindparam("user_id"))
    )
    return query.with_for_update(of=Team) if lock else query


def list_own(session: Session, user: User) -> list[Team]:
    """The user's teams, one for each competition, the newest first."""
    return list(
        session.scalars(
            select(Team)
            .join(TeamMember, TeamMember.team_id == Team.id)
            .where(TeamMember.user_id == user.id)
            .order_by(Team.created_at.desc(), Team.id)
        )
    )


def get_own(session: Session, team_id: UUID, user: User, *, lock: bool = False) -> Team:
    """The team if the user is in it; raises TeamNotFound for every other. Locks the user, then the team."""
    if lock:
        _lock_user(session, user)
    query = (
        select(Team)
        .join(TeamMember, TeamMember.team_id == Team.id)
        .where(Team.id == team_id, TeamMember.user_id == user.id)
    )
    team = session.scalar(query.with_for_update(of=Team) if lock else query)
    if team is None:
        raise TeamNotFound("You are in no team with this id.")
    return team


def create(session: Session, competition: Competition, user: User, name: str) -> Team:
    """A new team with `user` in it; raises AlreadyInTeam, TeamNameTaken."""
    require_not_over(competition)
    _lock_user(session, user)
    team = find_team(session, competition, user)
    if team is not None:
        raise AlreadyInTeam(
            f"You are in the team {team.name!r} already. Rename it with PATCH /api/v1/teams/{team.id}, "
            f"or leave it with POST /api/v1/teams/{team.id}/leave."
        )
    return _add(session, competition, user, name)


def rename(session: Session, team: Team, name: str) -> None:
    """Give `team` another name; raises TeamNameTaken."""
    team.name, team.name_key = name, name_key(name)
    _flush_name(session, name)
    touch(session, team.competition_id)  # boards show it


def leave(session: Session, team: Team, user: User) -> None:
    """Take `user` out of `team`, which must be locked; the last one closes it. Raises TeamFixed."""
    if has_submitted(session, team):
        raise TeamFixed("Your team has submitted, so its members stay with it until the end of the competition.")
    session.execute(delete(TeamMember).where(TeamMember.team_id == team.id, TeamMember.user_id == user.id))
    if _size(session, team) == 0:
        session.delete(team)
        session.flush()


def invite(session: Session, team: Team, user: User) -> tuple[TeamInvite, str]:
    """A new invitation to `team`, which must be locked, and its code; raises TooManyInvites."""
    require_not_over(session.get_one(Competition, team.competition_id))
    if len(open_invites(session, team)) >= MAX_OPEN_INVITES:
        raise TooManyInvites(f"Your team has {MAX_OPEN_INVITES} open invitations. Delete one first.")
    code, digest = new_secret(INVITE_PREFIX)
    expires_at = utc_now() + timedelta(days=INVITE_DAYS)
    made = TeamInvite(team_id=team.id, created_by=user.id, digest=digest, expires_at=expires_at)
    session.add(made)
    session.flush()
    return made, code


def delete_invite(session: Session, team: Team, invite_id: UUID) -> None:
    """Make an invitation of `team` useless; raises InviteNotFound."""
    found = session.scalar(select(TeamInvite).where(TeamInvite.id == invite_id, TeamInvite.team_id == team.id))
    if found is None:
        raise InviteNotFound("Your team has no invitation with this id.")
    session.delete(found)


def accept(session: Session, code: str, user: User) -> Team:
    """The team that `user` is in from now on. A team that has submitted nothing is left for it.

    Raises InviteNotFound, TeamFull, TeamFixed, AlreadyInTeam.
    """
    found = _usable_invite(session, code)
    _lock_user(session, user)  # the order of locks is always user, teams, invitation
    competition = session.get_one(Competition, session.get_one(Team, found.team_id).competition_id)
    require_not_over(competition)
    old = find_team(session, competition, user)
    team = _lock_teams(session, found.team_id, old)
    if old is not None and old.id == team.id:
        raise AlreadyInTeam("You are in this team already.")
    found = _usable_invite(session, code, lock=True)
    limit = specification(competition).team_size
    if _size(session, team) >= limit:
        raise TeamFull(f"This team has {limit} members, as many as {competition.slug} allows.")
    if old is not None:
        leave(session, old, user)
    session.add(TeamMember(competition_id=competition.id, user_id=user.id, team_id=team.id))
    found.accepted_at = utc_now()
    session.flush()
    return team


def open_invites(session: Session, team: Team) -> list[TeamInvite]:
    """Invitations that can still be accepted, newest first."""
    return list(
        session.scalars(
            select(TeamInvite)
            .where(TeamInvite.team_id == team.id, TeamInvite.accepted_at.is_(None), TeamInvite.expires_at > utc_now())
            .order_by(TeamInvite.created_at.desc())
        )
    )


def has_submitted(session: Session, team: Team) -> bool:
    """Whether there is any submission of `team`, however it ended."""
    return session.scalar(select(Submission.id).where(Submission.team_id == team.id).limit(1)) is not None


def view(session: Session, team: Team) -> TeamView:
    """`team` as its members see it."""
    competition = session.get_one(Competition, team.competition_id)
    members = session.scalars(
        select(User.username)
        .join(TeamMember, TeamMember.user_id == User.id)
        .where(TeamMember.team_id == team.id)
        .order_by(User.username_key)
    )
    return TeamView(
        id=team.id,
        competition=competition.slug,
        name=team.name,
        members=list(members),
        size_limit=specification(competition).team_size,
        is_fixed=has_submitted(session, team),
        invites=[InviteRow.model_validate(found, from_attributes=True) for found in open_invites(session, team)],
    )


def name_key(name: str) -> str:
    """What two names must not share: the name without case and compatibility forms.

    Raises TeamNameTaken for a name that becomes too long by it.
    """
    key = unicodedata.normalize("NFKC", name).casefold()
    if len(key) > KEY_CHARS:
        raise TeamNameTaken("This name is too long when it is written out. Choose a shorter one.")
    return key


def _usable_invite(session: Session, code: str, *, lock: bool = False) -> TeamInvite:
    query = select(TeamInvite).where(
        TeamInvite.digest == digest_secret(code),
        TeamInvite.accepted_at.is_(None),
        TeamInvite.expires_at > utc_now(),
    )
    found = session.scalar(query.with_for_update() if lock else query)
    if found is None:
        raise InviteNotFound("This invitation is unknown, expired or used. Ask the team for another one.")
    return found


def _lock_user(session: Session, user: User) -> None:
    session.connection().execute(_user_row(), {"user_id": user.id})


@cache
def _user_row() -> Select[UUID]:
    return select(User.id).where(User.id == bindparam("user_id")).with_for_update()


def _lock_teams(session: Session, wanted: UUID, old: Team | None) -> Team:
    """The team `wanted`; it and the old one are locked in one order, so that two who change places do not deadlock."""
    identifiers = {wanted} | ({old.id} if old is not None else set())
    locked = session.scalars(select(Team).where(Team.id.in_(identifiers)).order_by(Team.id).with_for_update()).all()
    team = next((team for team in locked if team.id == wanted), None)
    if team is None:
        raise InviteNotFound("The team of this invitation does not exist any more.")
    return team


def _size(session: Session, team: Team) -> int:
    return session.scalar(select(func.count()).where(TeamMember.team_id == team.id)) or 0


def _add(session: Session, competition: Competition, user: User, name: str) -> Team:
    team = Team(competition_id=competition.id, name=name, name_key=name_key(name))
    session.add(team)
    _flush_name(session, name)
    session.add(TeamMember(competition_id=competition.id, user_id=user.id, team_id=team.id))
    session.flush()
    return team


def _flush_name(session: Session, name: str) -> None:
    try:
        session.flush()
    except IntegrityError as error:
        raise TeamNameTaken(f"Another team here is called {name!r}, or looks like it. Choose another name.") from error


def _free_name(session: Session, competition: Competition, name: str) -> str:
    """`name`, or with a number if a team bears it already."""
    taken = set(
        session.scalars(
            select(Team.name_key).where(
                Team.competition_id == competition.id, Team.name_key.startswith(name_key(name[:34]), autoescape=True)
            )
        )
    )
    names = [name, *(f"{name[:34]}-{number}" for number in range(2, len(taken) + 3))]
    return next(free for free in names if name_key(free) not in taken)
