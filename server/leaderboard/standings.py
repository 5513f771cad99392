"""Computes and stores the standings: each team's best score, its rank, and its place on the board."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Row
from sqlalchemy.orm import Session

from lethe.evaluator.contract.states import Evaluation
from lethe.evaluator.metrics import rank_replicates
from lethe.server.leaderboard import board_changes, queries, score_queries
from lethe.server.models import Competition, Standing
from lethe.server.models.times import utc_now


@dataclass(frozen=True)
class BestScore:
    """A team's best score. `submitted_at` is when its file was uploaded, `entries` how many scores the team has."""

    team_id: UUID
    score_id: UUID
    final_score: float
    submitted_at: datetime
    entries: int
    last_scored_at: datetime
    is_baseline: bool


def is_frozen(competition: Competition, evaluation: Evaluation) -> bool:
    """Return whether new scores leave the board as it is: the public one since the finals, the final one once shown.

    That of a benchmark never is: what was taken before its end is ranked after it.
    """
    if evaluation is Evaluation.BENCHMARK:
        return False
    stop = competition.finals_started_at if evaluation is Evaluation.PUBLIC else competition.revealed_at
    return stop is not None


def refresh(
    session: Session, competition: Competition, evaluation: Evaluation, team_id: UUID, *, is_rescore: bool = False
) -> None:
    """Update the standings with a new score of `team_id`, in the caller's transaction; a frozen board stays as it is.

    `is_rescore`: the score replaces an earlier one of the same submission and generation.
    """
    queries.lock_boards(session, competition.id)
    if is_frozen(competition, evaluation):
        return
    entry = next(iter(best_scores(session, competition, evaluation, team_id)), None)
    standing = session.get(Standing, (team_id, evaluation))
    if is_rescore or entry is None or standing is None or entry.score_id != standing.score_id:
        rank_team(session, competition, evaluation, team_id)
        return
    standing.entries, standing.last_scored_at = entry.entries, entry.last_scored_at
    standing.score_history = _score_history(session, competition, evaluation, team_id).get(team_id, [])
    mark_board_changed(session, competition.id)


def rank_team(session: Session, competition: Competition, evaluation: Evaluation, team_id: UUID) -> None:
    """Rank one team again among the others, frozen board or not; of the others only the standings are read."""
    queries.lock_boards(session, competition.id)
    standing_scores = _best(queries.standing_scores.rows(session, **_board(competition, evaluation)))
    others = [entry for entry in standing_scores if entry.team_id != team_id]
    _store(session, competition, evaluation, others + best_scores(session, competition, evaluation, team_id))
    standing = session.get(Standing, (team_id, evaluation))
    if standing is not None:
        standing.score_history = _score_history(session, competition, evaluation, team_id).get(team_id, [])


def rebuild(session: Session, competition: Competition, evaluation: Evaluation) -> None:
    """Compute all standings from all scores, frozen board or not, after a rescore of the competition."""
    queries.lock_boards(session, competition.id)
    _store(session, competition, evaluation, best_scores(session, competition, evaluation))
    score_history = _score_history(session, competition, evaluation)
    for standing in score_queries.standings(session, competition, evaluation):
        standing.score_history = score_history.get(standing.team_id, [])


def _store(session: Session, competition: Competition, evaluation: Evaluation, entries: list[BestScore]) -> None:
    """Rank the entries, one for each team with a score, and store the standings of exactly these teams."""
    ordered = sorted(entries, key=lambda entry: (-entry.final_score, entry.submitted_at, entry.score_id))
    ranked = [entry for entry in ordered if not entry.is_baseline]
    ranks = _ranks(session, ranked)
    places = {
        entry.team_id: (rank, position) for position, (entry, rank) in enumerate(zip(ranked, ranks, strict=True), 1)
    }
    stored = {standing.team_id: standing for standing in score_queries.standings(session, competition, evaluation)}
    now = utc_now()
    for entry in ordered:
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
    mark_board_changed(session, competition.id)


def mark_board_changed(session: Session, competition_id: UUID) -> None:
    """Make every cached copy of the competition's boards stale."""
    board_changes.note(session)
    queries.raise_board_version(session, competition_id)


def best_scores(
    session: Session, competition: Competition, evaluation: Evaluation, team_id: UUID | None = None
) -> list[BestScore]:
    """Return each team's best score, or that of one team; of equal scores the one uploaded first.

    Disqualified teams and submissions have none. Baselines are among them.
    """
    board = _board(competition, evaluation)
    if team_id is None:
        return _best(score_queries.best_scores.rows(session, **board))
    return _best(score_queries.best_score_of_team.rows(session, **board, team_id=team_id))


def _best(rows: Iterable[Row[*tuple[Any, ...]]]) -> list[BestScore]:
    return [BestScore(**{name: getattr(row, name) for name in BestScore.__annotations__}) for row in rows]


def _board(competition: Competition, evaluation: Evaluation) -> dict[str, Any]:
    return {"competition_id": competition.id, "evaluation": evaluation}


def _score_history(
    session: Session, competition: Competition, evaluation: Evaluation, team_id: UUID | None = None
) -> dict[UUID, list[Any]]:
    """Return when each team's best score rose, and to what, as it is stored; or those of one team."""
    board = _board(competition, evaluation)
    if team_id is None:
        rows = score_queries.score_rises.rows(session, **board)
    else:
        rows = score_queries.score_rises_of_team.rows(session, **board, team_id=team_id)
    history: dict[UUID, list[Any]] = {}
    for row in rows:
        history.setdefault(row.team_id, []).append([row.scored_at.isoformat(), row.final_score])
    return history


def monotone_ranks(final: NDArray[np.float64], replicates: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return 1 + the number of significantly better teams, and never less than the rank of a team with a higher score.

    `final` (T,) and `replicates` (T, G) in any order; the ranks (T,) in that order. Without the second half of the rule
    a team could climb by making its score noisier, so that no team is significantly better. Equal scores share a rank.
    """
    ranks = np.array(rank_replicates(final, replicates), dtype=np.int64)
    order = np.argsort(-final, kind="stable")
    highest = np.maximum.accumulate(ranks[order])
    last_of_equals = np.searchsorted(-final[order], -final[order], side="right") - 1
    result = np.empty_like(ranks)
    result[order] = highest[last_of_equals]
    return result


def _ranks(session: Session, entries: Sequence[BestScore]) -> list[int]:
    if not entries:
        return []
    replicates = score_queries.replicates(session, [entry.score_id for entry in entries])
    final = np.array([entry.final_score for entry in entries])
    return [int(rank) for rank in monotone_ranks(final, np.array([replicates[entry.score_id] for entry in entries]))]
