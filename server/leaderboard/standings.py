"""The standings as they are stored: each team's best complete score, its rank, and its place on the board."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session, aliased

from evaluator.contract.states import Evaluation
from evaluator.metrics import rank_replicates
from server.db import utc_now
from server.leaderboard import changes
from server.models import Competition, Score, Standing, Submission, Team


@dataclass(frozen=True)
class Best:
    """A team's best score. `submitted_at` is when its file was uploaded, `entries` how many scores the team has."""

    team_id: UUID
    score_id: UUID
    final_score: float
    submitted_at: datetime
    entries: int
    last_scored_at: datetime
    is_baseline: bool


def is_frozen(competition: Competition, evaluation: Evaluation) -> bool:
    """Whether new scores leave the board as it is: the public one once finals began, the final one once shown."""
    stop = competition.finals_started_at if evaluation is Evaluation.PUBLIC else competition.revealed_at
    return stop is not None


def refresh(
    session: Session, competition: Competition, evaluation: Evaluation, team_id: UUID, *, is_rescore: bool = False
) -> None:
    """Take a new score of `team_id` into the standings, in the caller's transaction; a frozen board stays as it is.

    `is_rescore`: a score that was there has another value now.
    """
    _lock(session, competition)
    if is_frozen(competition, evaluation):
        return
    entry = next(iter(best_scores(session, competition, evaluation, team_id)), None)
    standing = session.get(Standing, (team_id, evaluation))
    if is_rescore or entry is None or standing is None or entry.score_id != standing.score_id:
        rebuild(session, competition, evaluation)
        return
    standing.entries, standing.last_scored_at = entry.entries, entry.last_scored_at
    touch(session, competition.id)


def rebuild(session: Session, competition: Competition, evaluation: Evaluation) -> None:
    """Compute all standings anew, frozen or not: after a disqualification, and when a team's best score changed."""
    _lock(session, competition)
    found = best_scores(session, competition, evaluation)
    ranked = [entry for entry in found if not entry.is_baseline]
    ranks = _ranks(session, ranked)
    places = {
        entry.team_id: (rank, position) for position, (entry, rank) in enumerate(zip(ranked, ranks, strict=True), 1)
    }
    stored = {
        standing.team_id: standing
        for standing in session.scalars(
            select(Standing).where(Standing.competition_id == competition.id, Standing.evaluation == evaluation)
        )
    }
    now = utc_now()
    for entry in found:
        standing = stored.pop(entry.team_id, None) or Standing(
            team_id=entry.team_id, competition_id=competition.id, evaluation=evaluation
        )
        rank, position = places.get(entry.team_id, (None, 0))
        if standing.ranked_on != now.date():
            standing.rank_before, standing.ranked_on = standing.rank, now.date()
        if (standing.score_id, standing.rank) != (entry.score_id, rank):
            standing.updated_at = now
        standing.score_id, standing.rank, standing.position = entry.score_id, rank, position
        standing.entries, standing.last_scored_at = entry.entries, entry.last_scored_at
        session.add(standing)
    for gone in stored.values():
        session.delete(gone)
    touch(session, competition.id)


def touch(session: Session, competition_id: UUID) -> None:
    """Make every cached copy of the competition's boards stale."""
    changes.note(session)
    session.execute(
        update(Competition)
        .where(Competition.id == competition_id)
        .values(board_version=Competition.board_version + 1)
        .execution_options(synchronize_session=False)
    )


def best_scores(
    session: Session, competition: Competition, evaluation: Evaluation, team_id: UUID | None = None
) -> list[Best]:
    """Each team's best score, best first; equal scores by time of upload. Of a rerun the newest generation counts.

    Disqualified teams and submissions have none. Baselines are among them.
    """
    origin = aliased(Submission)
    where: list[ColumnElement[bool]] = [
        Submission.competition_id == competition.id,
        Submission.evaluation == evaluation,
        Submission.disqualified_reason.is_(None),
        Team.disqualified_reason.is_(None),
    ]
    if team_id is not None:
        where.append(Submission.team_id == team_id)
    newest = (
        select(
            Score.id.label("score_id"),
            Score.final_score,
            func.coalesce(Submission.finished_at, Score.created_at).label("scored_at"),
            Submission.team_id,
            Team.is_baseline,
            func.coalesce(origin.created_at, Submission.created_at).label("submitted_at"),
            func.row_number().over(partition_by=Score.submission_id, order_by=Score.generation.desc()).label("age"),
        )
        .join(Submission, Submission.id == Score.submission_id)
        .join(Team, Team.id == Submission.team_id)
        .outerjoin(origin, origin.id == Submission.origin_id)
        .where(*where)
        .subquery()
    )
    team = newest.c.team_id
    order = (newest.c.final_score.desc(), newest.c.submitted_at, newest.c.score_id)
    placed = (
        select(
            *newest.c,
            func.row_number().over(partition_by=team, order_by=order).label("place"),
            func.count().over(partition_by=team).label("entries"),
            func.max(newest.c.scored_at).over(partition_by=team).label("last_scored_at"),
        )
        .where(newest.c.age == 1)
        .subquery()
    )
    rows = session.execute(
        select(placed)
        .where(placed.c.place == 1)
        .order_by(placed.c.final_score.desc(), placed.c.submitted_at, placed.c.score_id)
    )
    return [Best(**{name: getattr(row, name) for name in Best.__annotations__}) for row in rows]


def monotone_ranks(final: NDArray[np.float64], replicates: NDArray[np.float64]) -> NDArray[np.int64]:
    """1 + the number of teams significantly better, and never less than the rank of a team with a higher score.

    `final` (T,) and `replicates` (T, G) in any order; the ranks (T,) in that order. Without the second half of the rule
    a team could climb by making its score noisier, so that nobody is significantly better. Equal scores share a rank.
    """
    ranks = np.array(rank_replicates(final, replicates), dtype=np.int64)
    order = np.argsort(-final, kind="stable")
    highest = np.maximum.accumulate(ranks[order])
    last_of_equals = np.searchsorted(-final[order], -final[order], side="right") - 1
    result = np.empty_like(ranks)
    result[order] = highest[last_of_equals]
    return result


def _ranks(session: Session, entries: Sequence[Best]) -> list[int]:
    if not entries:
        return []
    replicates = _replicates(session, [entry.score_id for entry in entries])
    final = np.array([entry.final_score for entry in entries])
    return [int(rank) for rank in monotone_ranks(final, np.array([replicates[entry.score_id] for entry in entries]))]


def _replicates(session: Session, score_ids: Iterable[UUID], batch: int = 1_000) -> dict[UUID, list[float]]:
    wanted = list(score_ids)
    found: dict[UUID, list[float]] = {}
    for start in range(0, len(wanted), batch):
        rows = session.execute(select(Score.id, Score.replicates).where(Score.id.in_(wanted[start : start + batch])))
        found.update((score_id, replicates) for score_id, replicates in rows)
    return found


def _lock(session: Session, competition: Competition) -> None:
    session.execute(select(Competition.id).where(Competition.id == competition.id).with_for_update())
