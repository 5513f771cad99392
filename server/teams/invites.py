"""Rules of invitations: the only way into a team that somebody else created."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from lethe.evaluator.contract.phrases import count_text
from lethe.server.competitions.phases import require_teams_form
from lethe.server.competitions.service import specification
from lethe.server.errors import Conflict, NotFound
from lethe.server.mail.outbox import Kind, tell_person
from lethe.server.models import Competition, Team, TeamInvite, TeamMember, User
from lethe.server.models.times import utc_now
from lethe.server.security.digests import digest_secret, new_secret
from lethe.server.teams import queries
from lethe.server.teams.service import AlreadyInTeam, TeamFixed, find_team, has_submitted, leave, lock_user

INVITE_PREFIX = "lethet_"
INVITE_DAYS = 7
MAX_OPEN_INVITES = 20


class InviteNotFound(NotFound):
    """Unknown, expired or used."""

    code = "invite_not_found"
    title = "No such invitation"


class TeamFull(Conflict):
    """The team has as many members as the competition allows."""

    code = "team_full"
    title = "Team is full"


class TooManyInvites(Conflict):
    """A team has a bounded number of open invitations."""

    code = "too_many_invites"
    title = "Too many invitations"


def invite(session: Session, team: Team, user: User) -> tuple[TeamInvite, str]:
    """Store an invitation to `team`, which must be locked, and return it with its code; raises TooManyInvites."""
    _require_growing(session, session.get_one(Competition, team.competition_id), team)
    if len(open_invites(session, team)) >= MAX_OPEN_INVITES:
        raise TooManyInvites(f"Your team has {MAX_OPEN_INVITES} open invitations. Delete one first.")
    code, digest = new_secret(INVITE_PREFIX)
    expires_at = utc_now() + timedelta(days=INVITE_DAYS)
    made = TeamInvite(team_id=team.id, created_by=user.id, digest=digest, expires_at=expires_at)
    session.add(made)
    session.flush()
    return made, code


def delete_invite(session: Session, team: Team, invite_id: UUID) -> None:
    """Delete an invitation to `team`; raises InviteNotFound."""
    found = queries.invite_of_team(session, team.id, invite_id)
    if found is None:
        raise InviteNotFound("Your team has no invitation with this id.")
    session.delete(found)


def accept(session: Session, code: str, user: User) -> Team:
    """Move `user` into the team of the invitation and return it. The old team must not have submitted.

    Raises InviteNotFound, TeamFull, TeamFixed, AlreadyInTeam.
    """
    found = _usable_invite(session, code)
    lock_user(session, user)  # the order of locks is always user, teams, invitation
    competition = session.get_one(Competition, session.get_one(Team, found.team_id).competition_id)
    require_teams_form(competition)
    old = find_team(session, competition, user)
    team = _lock_teams(session, found.team_id, old)
    _require_growing(session, competition, team)
    if old is not None and old.id == team.id:
        raise AlreadyInTeam("You are in this team already.")
    found = _usable_invite(session, code, lock=True)
    limit = specification(competition).team_size
    if queries.count_members(session, team.id) >= limit:
        raise TeamFull(f"This team has {count_text(limit, 'member')}, as many as {competition.slug} allows.")
    if old is not None:
        leave(session, old, user)
    session.add(TeamMember(competition_id=competition.id, user_id=user.id, team_id=team.id))
    found.accepted_at = utc_now()
    session.flush()
    tell_person(session, found.created_by, Kind.INVITATION, team=str(team.id), user=str(user.id))
    return team


def open_invites(session: Session, team: Team) -> list[TeamInvite]:
    """Return the invitations that can still be accepted, newest first."""
    return queries.open_invites(session, team.id, utc_now())


def _require_growing(session: Session, competition: Competition, team: Team) -> None:
    """Raise CompetitionClosed once no teams form, TeamFixed for one that has submitted to a competition that is over.

    The competition's boards show the members.
    """
    require_teams_form(competition)
    if competition.revealed_at is not None and has_submitted(session, team):
        raise TeamFixed(
            "Your team has submitted, and the competition is over: its members stay as the boards show them."
        )


def _usable_invite(session: Session, code: str, *, lock: bool = False) -> TeamInvite:
    found = queries.open_invite(session, digest_secret(code), utc_now(), lock=lock)
    if found is None:
        raise InviteNotFound("This invitation is unknown, expired or used. Ask the team for another one.")
    return found


def _lock_teams(session: Session, wanted: UUID, old: Team | None) -> Team:
    """Lock the wanted and the old team in one order, and return the wanted one."""
    identifiers = {wanted} | ({old.id} if old is not None else set())
    team = queries.lock_teams(session, identifiers).get(wanted)
    if team is None:
        raise InviteNotFound("The team of this invitation no longer exists.")
    return team
