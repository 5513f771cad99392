"""SQL of the hosts' view of a competition."""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import CompoundSelect, Select, func, select, union
from sqlalchemy.orm import Session

from server.leaderboard.queries import is_current
from server.models import Score, Submission, Team

FILES_SEARCHED = 1_000


@dataclass(frozen=True)
class SubmissionScore:
    """A submission with its team's name and its current score, unrounded; None without one."""

    submission: Submission
    team: str
    final_score: float | None


def all_submissions(session: Session, competition_id: UUID) -> Iterator[SubmissionScore]:
    """Return every submission of the competition, newest first."""
    return _rows(session, _submissions(competition_id))


def find_submissions(
    session: Session, competition_id: UUID, *, state: str = "", search: str = "", limit: int
) -> Iterator[SubmissionScore]:
    """Return the `limit` newest submissions, narrowed to a state and to names of teams and files that hold `search`.

    A search reads the names of all teams, but file names of the FILES_SEARCHED newest submissions only: reading all
    would get slower with every upload.
    """
    statement = _submissions(competition_id).limit(limit)
    if search:
        statement = statement.where(Submission.id.in_(_matches(competition_id, state, search.casefold(), limit)))
    elif state:
        statement = statement.where(Submission.state == state)
    return _rows(session, statement)


def _submissions(competition_id: UUID) -> Select[Submission, str, float]:
    return (
        select(Submission, Team.name, Score.final_score)
        .join(Team, Team.id == Submission.team_id)
        .outerjoin(Score, is_current())
        .where(Submission.competition_id == competition_id)
        .order_by(Submission.created_at.desc(), Submission.id)
    )


def _rows(session: Session, statement: Select[Submission, str, float]) -> Iterator[SubmissionScore]:
    return (SubmissionScore(*row) for row in session.execute(statement))


def _matches(competition_id: UUID, state: str, key: str, limit: int) -> CompoundSelect[UUID]:
    """Ids of the newest submissions of teams whose names contain `key`, and of the newest files whose names do."""
    of_state = (Submission.state == state,) if state else ()
    newest = (
        select(Submission.id, Submission.filename)
        .where(Submission.competition_id == competition_id, *of_state)
        .order_by(Submission.created_at.desc())
    )
    teams = select(Team.id).where(Team.competition_id == competition_id, Team.name_key.contains(key, autoescape=True))
    of_teams = newest.where(Submission.team_id.in_(teams)).limit(limit).subquery()
    files = newest.limit(FILES_SEARCHED).subquery()
    in_files = func.lower(files.c.filename).contains(key, autoescape=True)
    return union(select(of_teams.c.id), select(files.c.id).where(in_files))
