"""The standings: each team's best score, ranked with regard to its uncertainty, rewritten when a score changes."""

import csv
import io
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

import numpy as np
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from evaluator.contract.states import SubmissionState
from evaluator.metrics import rank_replicates
from server.db import utc_now
from server.leaderboard.schemas import Leaderboard, LeaderboardRow
from server.models import Competition, Score, Standing, Submission, Team
from server.submissions.schemas import IntervalView
from server.submissions.views import round_score

REFERENCE_TITLES = {"ceiling": "Ceiling: other oracles", "floor": "Floor: does nothing"}


def refresh(session: Session, competition: Competition) -> None:
    """Recompute the standings of `competition` from its current scores, in the caller's transaction."""
    session.execute(select(Competition.id).where(Competition.id == competition.id).with_for_update())
    best = best_scores(session, competition)
    session.execute(delete(Standing).where(Standing.competition_id == competition.id))
    if not best:
        return
    places = rank_replicates(
        np.array([score.final_score for score in best.values()]),
        np.array([score.replicates for score in best.values()]),
    )
    now = utc_now()
    session.add_all(
        Standing(
            team_id=team_id,
            competition_id=competition.id,
            score_id=score.id,
            rank=int(place),
            updated_at=now,
        )
        for (team_id, score), place in zip(best.items(), places, strict=True)
    )


def best_scores(session: Session, competition: Competition) -> dict[UUID, Score]:
    """Each team's best score, best first. Of a submission that was run again, the newest generation's score counts."""
    newest: dict[UUID, tuple[UUID, Score]] = {}
    for submission_id, team_id, score in session.execute(
        select(Submission.id, Submission.team_id, Score)
        .join(Score, Score.submission_id == Submission.id)
        .where(Submission.competition_id == competition.id)
        .order_by(Score.generation)
    ):
        newest[submission_id] = (team_id, score)
    best: dict[UUID, Score] = {}
    for team_id, score in sorted(newest.values(), key=lambda entry: (-entry[1].final_score, entry[1].created_at)):
        best.setdefault(team_id, score)
    return best


def leaderboard(session: Session, competition: Competition) -> Leaderboard:
    """The public board: teams and reference rows, best score first."""
    teams = _team_rows(session, competition)
    rows = sorted([*(row for row, _ in teams), *_reference_rows(session, competition)], key=lambda row: -row.score)
    return Leaderboard(
        competition=competition.slug,
        title=competition.title,
        view="public",
        updated_at=max((updated_at for _, updated_at in teams), default=None),
        rows=rows,
    )


def _team_rows(session: Session, competition: Competition) -> list[tuple[LeaderboardRow, datetime]]:
    entries = (
        select(
            Submission.team_id,
            func.count().label("entries"),
            func.max(Submission.finished_at).label("last_scored_at"),
        )
        .where(Submission.competition_id == competition.id, Submission.state == SubmissionState.SCORED)
        .group_by(Submission.team_id)
        .subquery()
    )
    found = session.execute(
        select(Standing, Team.name, Score, entries.c.entries, entries.c.last_scored_at)
        .join(Team, Team.id == Standing.team_id)
        .join(Score, Score.id == Standing.score_id)
        .join(entries, entries.c.team_id == Standing.team_id)
        .where(Standing.competition_id == competition.id)
    )
    return [
        (_row(team, score, rank=standing.rank, entries=count, last_scored_at=last), standing.updated_at)
        for standing, team, score, count, last in found
    ]


def _reference_rows(session: Session, competition: Competition) -> Iterable[LeaderboardRow]:
    scores = session.scalars(select(Score).where(Score.competition_id == competition.id, Score.reference.is_not(None)))
    for score in scores:
        assert score.reference is not None  # noqa: S101 - the query says so
        yield _row(REFERENCE_TITLES[score.reference], score, rank=None, entries=0, last_scored_at=None)


def _row(name: str, score: Score, *, rank: int | None, entries: int, last_scored_at: datetime | None) -> LeaderboardRow:
    return LeaderboardRow(
        rank=rank,
        team=name,
        score=round_score(score.final_score),
        interval=IntervalView(low=round_score(score.interval_low), high=round_score(score.interval_high)),
        entries=entries,
        last_scored_at=last_scored_at,
        reference=score.reference,
    )


def as_csv(board: Leaderboard) -> str:
    """The board as CSV with a header; reference rows have an empty rank."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(
        ["rank", "team", "score", "interval_low", "interval_high", "entries", "last_scored_at", "reference"]
    )
    for row in board.rows:
        writer.writerow(
            [
                row.rank if row.rank is not None else "",
                row.team,
                row.score,
                row.interval.low,
                row.interval.high,
                row.entries,
                row.last_scored_at.isoformat() if row.last_scored_at else "",
                row.reference or "",
            ]
        )
    return buffer.getvalue()
