"""Sources that teams have published after the reveal, each under a licence that its team chose."""

from enum import StrEnum
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from lethe.evaluator.contract.states import SubmissionState
from lethe.server.competitions.phases import Phase, phase
from lethe.server.competitions.service import get_competition
from lethe.server.database.paging import fetch_page
from lethe.server.errors import Conflict, NotFound
from lethe.server.models import Competition, Submission, Team
from lethe.server.models.times import utc_now
from lethe.server.submissions import queries
from lethe.server.submissions.short_ids import resolve_published


class Licence(StrEnum):
    """SPDX identifiers of the licences that a source may be published under."""

    APACHE = "Apache-2.0"
    BSD = "BSD-3-Clause"
    CC0 = "CC0-1.0"
    GPL = "GPL-3.0-or-later"
    MIT = "MIT"
    MPL = "MPL-2.0"


class Publication(BaseModel):
    licence: Licence = Field(description="SPDX identifier of the licence that everybody gets the source under")


class PublishedSource(BaseModel):
    """A source that everybody may read; its file is at `…/sources/{id}`."""

    id: UUID
    team: str
    evaluation: str = Field(description="public, or benchmark: it came after the deadline")
    filename: str
    method: str | None
    link: str | None
    licence: str = Field(description="SPDX identifier")
    sha256: str = Field(description="Of the source, as it ran")


class NotPublishable(Conflict):
    """Before the reveal, or without a score, a source stays with its team."""

    code = "not_publishable"
    title = "Source cannot be published"


class SourceNotFound(NotFound):
    """No such submission, or its team has not published it."""

    code = "source_not_found"
    title = "No such source"


def may_publish(competition: Competition, submission: Submission) -> bool:
    """Return whether the team of the submission may publish its source now."""
    return phase(competition) is Phase.REVEALED and submission.state == SubmissionState.SCORED


def publish(session: Session, submission: Submission, licence: Licence) -> None:
    """Show the source of the submission to everybody, under `licence`; repeated, change that.

    Raises NotPublishable before the reveal and for what has no score.
    """
    if not may_publish(session.get_one(Competition, submission.competition_id), submission):
        raise NotPublishable(
            "The source of a scored submission can be published once the host has revealed the results."
        )
    submission.published_at = submission.published_at or utc_now()
    submission.licence = licence


def withdraw(submission: Submission) -> None:
    """Show the source to its team and to hosts alone again; nothing changes if it was not published."""
    submission.licence = submission.published_at = None


def list_published(
    session: Session, slug: str, *, cursor: str | None, limit: int
) -> tuple[list[PublishedSource], str | None]:
    """Return a page of the published sources of a competition, those of the newest uploads first, and the next cursor.

    None that is disqualified. Raises CompetitionNotFound.
    """
    competition = get_competition(session, slug)
    found, following = fetch_page(session, queries.published(competition), Submission, cursor=cursor, limit=limit)
    return [_shown(session, one) for one in found], following


def find_published(session: Session, slug: str, named: str) -> tuple[Submission, PublishedSource]:
    """Return the published submission with this id, or whose id alone begins so, and what is shown of it.

    Raises CompetitionNotFound, SubmissionNotFound and SourceNotFound.
    """
    competition = get_competition(session, slug)
    found = queries.find_published(session, competition, resolve_published(session, competition, named))
    if found is None:
        raise SourceNotFound("This source is not published, or no longer.")
    return found, _shown(session, found)


def _shown(session: Session, submission: Submission) -> PublishedSource:
    return PublishedSource(
        id=submission.id,
        team=session.get_one(Team, submission.team_id).name,
        evaluation=submission.evaluation,
        filename=submission.filename,
        method=submission.method,
        link=submission.link,
        licence=submission.licence or "",
        sha256=submission.source_sha256,
    )
