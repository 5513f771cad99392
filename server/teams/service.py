"""Rules of teams: one per person and competition, joined by invitation.

Quotas belong to teams, so nobody leaves a team that has submitted. Others may join such a team while it has room, if
they have submitted nothing themselves.
"""

import unicodedata
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from lethe.server.accounts.names import SKELETON_CHARS, skeleton
from lethe.server.competitions.phases import is_benchmark, may_choose, require_teams_form
from lethe.server.errors import Conflict, InvalidValue, NotFound
from lethe.server.leaderboard.standings import mark_board_changed
from lethe.server.models import Competition, Team, TeamMember, User
from lethe.server.teams import queries

KEY_CHARS = 80


class TeamNotFound(NotFound):
    """Does not exist, or is another team."""

    code = "team_not_found"
    title = "No such team"


class TeamNameTaken(Conflict):
    """Another team of the competition has the name, or one that looks like it."""

    code = "team_name_taken"
    title = "Team name taken"


class InvalidTeamName(InvalidValue):
    """The name is too long once ligatures and other compatibility characters are expanded (NFKC)."""

    code = "invalid_team_name"
    title = "Invalid team name"


class TeamNameFrozen(Conflict):
    """The competition is closed, and its boards show the name."""

    code = "team_name_frozen"
    title = "Team name is fixed"


class AlreadyInTeam(Conflict):
    """One person, one team per competition."""

    code = "already_in_team"
    title = "Already in a team"


class TeamFixed(Conflict):
    """The team has submitted, so its members stay."""

    code = "team_fixed"
    title = "Team has submitted"


def team_of(session: Session, competition: Competition, user: User) -> Team:
    """Return the user's team in `competition`, locked until the commit; created on first use under the user's name.

    The lock on the user keeps two first uploads from creating two teams; the lock on the team makes parallel uploads
    of the team see each other.
    """
    lock_user(session, user)
    team = find_team(session, competition, user, lock=True)
    return team or _add(session, competition, user, _unused_name(session, competition, user.username))


def find_team(session: Session, competition: Competition, user: User, *, lock: bool = False) -> Team | None:
    """Return the user's team in `competition`, or None."""
    found = queries.team_of_user.entities(session, lock, competition_id=competition.id, user_id=user.id)
    return found.scalars().one_or_none()


def list_own(session: Session, user: User) -> list[Team]:
    """Return the user's teams, one for each competition, the newest first."""
    return queries.teams_of_user(session, user.id)


def get_own(session: Session, team_id: UUID, user: User, *, lock: bool = False) -> Team:
    """Return the team if the user is in it; raises TeamNotFound otherwise. `lock` locks the user, then the team."""
    if lock:
        lock_user(session, user)
    team = queries.team_with_member(session, team_id, user.id, lock=lock)
    if team is None:
        raise TeamNotFound("You are in no team with this id.")
    return team


def create(session: Session, competition: Competition, user: User, name: str) -> Team:
    """Store a new team with `user` in it; raises AlreadyInTeam, TeamNameTaken, InvalidTeamName."""
    require_teams_form(competition)
    lock_user(session, user)
    team = find_team(session, competition, user)
    if team is not None:
        raise AlreadyInTeam(
            f"You are in the team {team.name!r} already. Rename it with PATCH /api/v1/teams/{team.id}, "
            f"or leave it with POST /api/v1/teams/{team.id}/leave."
        )
    return _add(session, competition, user, name)


def rename(session: Session, team: Team, name: str) -> None:
    """Rename `team`; raises TeamNameTaken, InvalidTeamName, and TeamNameFrozen for a name that boards show."""
    competition = session.get_one(Competition, team.competition_id)
    is_new = is_benchmark(competition) and not team.submissions
    if not may_choose(competition) and not is_new:
        raise TeamNameFrozen("The competition is closed: names of teams stay as its boards show them.")
    team.name, team.name_key, team.name_skeleton = name, name_key(name), name_skeleton(name)
    _flush_name(session, name)
    mark_board_changed(session, team.competition_id)  # boards show it


def leave(session: Session, team: Team, user: User) -> None:
    """Take `user` out of `team`, which must be locked; deletes an empty team. Raises TeamFixed."""
    if has_submitted(session, team):
        raise TeamFixed("Your team has submitted, so its members stay with it until the end of the competition.")
    queries.remove_member(session, team.id, user.id)
    if queries.count_members(session, team.id) == 0:
        session.delete(team)
        session.flush()


def remove_idle_member(session: Session, team: Team, user: User) -> None:
    """Take a member who has submitted nothing out of a team, which must be locked; deletes an empty team.

    Raises TeamFixed.
    """
    if queries.has_uploaded(session, team.id, user.id):
        raise TeamFixed(f"{user.username} has submitted for this team, so they stay. Disqualify the team if need be.")
    queries.remove_member(session, team.id, user.id)
    if queries.count_members(session, team.id) == 0:
        session.delete(team)
        session.flush()
    mark_board_changed(session, team.competition_id)


def has_submitted(session: Session, team: Team) -> bool:
    """Whether there is any submission of `team`, however it ended."""
    return queries.has_submitted(session, team.id)


def name_key(name: str) -> str:
    """Return the key that must be unique: the name without case and compatibility forms.

    Raises InvalidTeamName when the key is too long.
    """
    key = unicodedata.normalize("NFKC", name).casefold()
    if len(key) > KEY_CHARS:
        raise InvalidTeamName(
            "This name is too long: some of its characters stand for several letters. Choose a shorter one."
        )
    return key


def name_skeleton(name: str) -> str:
    """Return what must be unique as well: what the name looks like. Raises InvalidTeamName when it is too long."""
    found = skeleton(name)
    if len(found) > SKELETON_CHARS:
        raise InvalidTeamName("This name is too long: some of its characters look like several letters.")
    return found


def lock_user(session: Session, user: User) -> None:
    """Lock the user until the commit; this lock comes before those of teams and invitations."""
    queries.locked_user.rows(session, user_id=user.id)


def _add(session: Session, competition: Competition, user: User, name: str) -> Team:
    team = Team(competition_id=competition.id, name=name, name_key=name_key(name), name_skeleton=name_skeleton(name))
    session.add(team)
    _flush_name(session, name)
    session.add(TeamMember(competition_id=competition.id, user_id=user.id, team_id=team.id))
    session.flush()
    return team


def _flush_name(session: Session, name: str) -> None:
    try:
        session.flush()
    except IntegrityError as error:
        raise TeamNameTaken(
            f"Another team here has the name {name!r}, or one that looks like it. Choose another name."
        ) from error


def _unused_name(session: Session, competition: Competition, name: str) -> str:
    """Return `name`, with a number if a team has it already."""
    taken = queries.names_like(session, competition.id, key=name_key(name[:34]), skeleton=name_skeleton(name[:34]))
    names = [name, *(f"{name[:34]}-{number}" for number in range(2, len(taken) + 3))]
    return next(unused for unused in names if not {name_key(unused), name_skeleton(unused)} & taken)
