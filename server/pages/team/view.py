"""Teams and invitations, as values for their templates."""

from dataclasses import dataclass

from lethe.server.pages.card import Card
from lethe.server.pages.formatting import Moment, moment
from lethe.server.teams.schemas import TeamView


@dataclass(frozen=True)
class InviteLine:
    """An open invitation; its code was shown once."""

    id: str
    expires: Moment


@dataclass(frozen=True)
class TeamPage:
    """My team in one competition; an empty name means that I have none."""

    card: Card
    notice: str
    problem: str
    name: str
    members: tuple[str, ...]
    size_limit: int
    is_fixed: bool
    invites: tuple[InviteLine, ...]
    fresh_link: str


@dataclass(frozen=True)
class JoinPage:
    """The form that accepts an invitation."""

    code: str
    problem: str


def team_page(
    card: Card, team: TeamView | None, *, size_limit: int, notice: str, problem: str, fresh_link: str
) -> TeamPage:
    """Return the page of `team`, or of a visitor without one."""
    return TeamPage(
        card=card,
        notice=notice,
        problem=problem,
        name="" if team is None else team.name,
        members=() if team is None else tuple(team.members),
        size_limit=size_limit,
        is_fixed=team is not None and team.is_fixed,
        invites=() if team is None else tuple(InviteLine(str(one.id), moment(one.expires_at)) for one in team.invites),
        fresh_link=fresh_link,
    )
