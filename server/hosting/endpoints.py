"""REST: what a host does while a competition runs; 404 for everybody else. Every act is in the audit log."""

from typing import Annotated, TypeVar
from uuid import UUID

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, Field
from sqlalchemy.orm import Session

from lethe.server.accounts.roles import require_host
from lethe.server.audit_log.events import user_actor
from lethe.server.competitions import service
from lethe.server.competitions.schemas import AnnouncementView, CompetitionFacts
from lethe.server.context import AppContext
from lethe.server.errors import NotFound
from lethe.server.hosting import actions, finals
from lethe.server.models import Competition, Submission, Team, User
from lethe.server.security.credentials import CurrentUser
from lethe.server.submissions.short_ids import SubmissionId

router = APIRouter(tags=["hosts"])

Row = TypeVar("Row", Team, Submission)


class NewEnd(BaseModel):
    until: AwareDatetime = Field(description="With an offset", examples=["2026-04-01T00:00:00+02:00"])


class NewAnnouncement(BaseModel):
    title: Annotated[str, Field(min_length=1, max_length=actions.TITLE_CHARS)]
    body: Annotated[str, Field(max_length=actions.BODY_CHARS, description="Plain text")] = ""


class Reveal(BaseModel):
    unfinished: bool = Field(default=False, description="Although final evaluations go on")


class Disqualification(BaseModel):
    reason: str | None = Field(
        min_length=1, max_length=actions.REASON_CHARS, description="The team sees it; null takes it back"
    )


@router.post("/competitions/{slug}/pause")
def pause(slug: str, user: CurrentUser, context: AppContext) -> CompetitionFacts:
    """Take no uploads until it is resumed; what is in the queue is evaluated."""
    with context.database.write() as session:
        service.get_hosted(session, slug, user)
        return service.facts(session, actions.pause(session, slug, actor=user_actor(user)))


@router.post("/competitions/{slug}/resume")
def resume(slug: str, user: CurrentUser, context: AppContext) -> CompetitionFacts:
    """End a pause or an early close."""
    with context.database.write() as session:
        service.get_hosted(session, slug, user)
        return service.facts(session, actions.open_competition(session, slug, actor=user_actor(user)))


@router.post("/competitions/{slug}/extend")
def extend(slug: str, new: NewEnd, user: CurrentUser, context: AppContext) -> CompetitionFacts:
    """Move the end of uploads, also after it has passed."""
    with context.database.write() as session:
        service.get_hosted(session, slug, user)
        return service.facts(session, actions.extend(session, slug, new.until, actor=user_actor(user)))


@router.post("/competitions/{slug}/close")
def close(slug: str, user: CurrentUser, context: AppContext) -> CompetitionFacts:
    """Take no more uploads and freeze the selections."""
    with context.database.write() as session:
        service.get_hosted(session, slug, user)
        return service.facts(session, actions.close(session, slug, actor=user_actor(user)))


@router.post("/competitions/{slug}/reveal")
def reveal(slug: str, options: Reveal, user: CurrentUser, context: AppContext) -> CompetitionFacts:
    """Show the final board and the metric to everybody, for good."""
    with context.database.write() as session:
        competition = service.get_hosted(session, slug, user)
        finals.reveal(session, slug, unfinished=options.unfinished, actor=user_actor(user))
        return service.facts(session, competition)


@router.post("/competitions/{slug}/announcements", status_code=201)
def announce(slug: str, new: NewAnnouncement, user: CurrentUser, context: AppContext) -> AnnouncementView:
    """Tell everybody; it cannot be taken back."""
    with context.database.write() as session:
        service.get_hosted(session, slug, user)
        made = actions.announce(session, slug, title=new.title, body=new.body, actor=user_actor(user))
        return AnnouncementView(title=made.title, body=made.body, created_at=made.created_at)


@router.put("/teams/{team_id}/disqualification", status_code=204)
def disqualify_team(team_id: UUID, given: Disqualification, user: CurrentUser, context: AppContext) -> None:
    """Take a team off every board, or put it back."""
    with context.database.write() as session:
        team = _hosted(session, Team, team_id, user)
        actions.disqualify_team(session, team, reason=given.reason, actor=user_actor(user))


@router.delete("/teams/{team_id}/members/{username}", status_code=204)
def remove_member(team_id: UUID, username: str, user: CurrentUser, context: AppContext) -> None:
    """Take somebody who has submitted nothing out of a team; for hosts."""
    with context.database.write() as session:
        team = _hosted(session, Team, team_id, user)
        actions.remove_member(session, team, username, actor=user_actor(user))


@router.put("/submissions/{submission_id}/disqualification", status_code=204)
def disqualify_submission(
    submission_id: SubmissionId, given: Disqualification, user: CurrentUser, context: AppContext
) -> None:
    """Count a submission for nothing, or let it count again."""
    with context.database.write() as session:
        submission = _hosted(session, Submission, submission_id, user)
        actions.disqualify_submission(session, submission, reason=given.reason, actor=user_actor(user))


def _hosted(session: Session, kind: type[Row], identifier: UUID, user: User) -> Row:
    """Return a team or a submission of a competition that `user` hosts; raises NotFound for any other."""
    found = session.get(kind, identifier)
    if found is None:
        raise NotFound("There is nothing here for this account.")
    require_host(session, session.get_one(Competition, found.competition_id), user)
    return found
