"""The standings as they are stored: each team's best complete score, its rank, and its place on the board."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Row, Select, Subquery, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from evaluator.contract.states import Evaluation
from evaluator.metrics import rank_replicates
from server.leaderboard import board_changes
from server.models import Competition, Score, Standing, Submission, Team
from server.models.times import utc_now


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
        rank_team(session, competition, evaluation, team_id)
        return
    standing.entries, standing.last_scored_at = entry.entries, entry.last_scored_at
    standing.score_history = _score_history(session, competition, evaluation, team_id).get(team_id, [])
    mark_board_changed(session, competition.id)


def rank_team(session: Session, competition: Competition, evaluation: Evaluation, team_id: UUID) -> None:
    """Rank one team anew among the others as they stand, frozen board or not: their other scores are not read."""
    _lock(session, competition)
    others = [entry for entry in _standing(session, competition, evaluation) if entry.team_id != team_id]
    _store(session, competition, evaluation, others + best_scores(session, competition, evaluation, team_id))
    standing = session.get(Standing, (team_id, evaluation))
    if standing is not None:
        standing.score_history = _score_history(session, competition, evaluation, team_id).get(team_id, [])


def rebuild(session: Session, competition: Competition, evaluation: Evaluation) -> None:
    """Compute all standings anew from all scores, frozen or not: after a rescore of the competition."""
    _lock(session, competition)
    _store(session, competition, evaluation, best_scores(session, competition, evaluation))
    score_history = _score_history(session, competition, evaluation)
    for standing in session.scalars(_board(competition, evaluation)):
        standing.score_history = score_history.get(standing.team_id, [])


def _store(session: Session, competition: Competition, evaluation: Evaluation, entries: list[BestScore]) -> None:
    """Rank the entries, the best score of each team that has one, and make the standings those of these teams."""
    found = sorted(entries, key=lambda entry: (-entry.final_score, entry.submitted_at, entry.score_id))
    ranked = [entry for entry in found if not entry.is_baseline]
    ranks = _ranks(session, ranked)
    places = {
        entry.team_id: (rank, position) for position, (entry, rank) in enumerate(zip(ranked, ranks, strict=True), 1)
    }
    stored = {standing.team_id: standing for standing in session.scalars(_board(competition, evaluation))}
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
    session.flush()
    mark_board_changed(session, competition.id)


def _board(competition: Competition, evaluation: Evaluation) -> Select[Standing]:
    return select(Standing).where(Standing.competition_id == competition.id, Standing.evaluation == evaluation)


def mark_board_changed(session: Session, competition_id: UUID) -> None:
    """Make every cached copy of the competition's boards stale."""
    board_changes.note(session)
    session.execute(
        update(Competition)
        .where(Competition.id == competition_id)
        .values(board_version=Competition.board_version + 1)
        .execution_options(synchronize_session=False)
    )


def best_scores(
    session: Session, competition: Competition, evaluation: Evaluation, team_id: UUID | None = None
) -> list[BestScore]:
    """Each team's best score, or that of one team; of equal scores the one uploaded first.

    Disqualified teams and submissions have none. Baselines are among them.
    """
    scores = _scores(competition, evaluation, team_id)
    team = scores.c.team_id
    order = (scores.c.final_score.desc(), scores.c.submitted_at, scores.c.score_id)
    placed = select(
        *scores.c,
        func.row_number().over(partition_by=team, order_by=order).label("place"),
        func.count().over(partition_by=team).label("entries"),
        func.max(scores.c.scored_at).over(partition_by=team).label("last_scored_at"),
    ).subquery()
    rows = session.execute(select(placed).where(placed.c.place == 1))
    return [_best(row) for row in rows]


def _standing(session: Session, competition: Competition, evaluation: Evaluation) -> list[BestScore]:
    """The best scores as the standings have them."""
    origin = aliased(Submission)
    rows = session.execute(
        select(
            Standing.team_id,
            Standing.score_id,
            Standing.entries,
            Standing.last_scored_at,
            Score.final_score,
            Team.is_baseline,
            func.coalesce(origin.created_at, Submission.created_at).label("submitted_at"),
        )
        .join(Score, Score.id == Standing.score_id)
        .join(Submission, Submission.id == Score.submission_id)
        .join(Team, Team.id == Standing.team_id)
        .outerjoin(origin, origin.id == Submission.origin_id)
        .where(Standing.competition_id == competition.id, Standing.evaluation == evaluation)
    )
    return [_best(row) for row in rows]


def _best(row: Row[*tuple[Any, ...]]) -> BestScore:
    return BestScore(**{name: getattr(row, name) for name in BestScore.__annotations__})


def _score_history(
    session: Session, competition: Competition, evaluation: Evaluation, team_id: UUID | None = None
) -> dict[UUID, list[Any]]:
    """When each team's best score rose, and to what: the scores that were above all before them, as they are stored."""
    scores = _scores(competition, evaluation, team_id)
    before = func.max(scores.c.final_score).over(
        partition_by=scores.c.team_id, order_by=(scores.c.scored_at, scores.c.score_id), rows=(None, -1)
    )
    ranked = select(*scores.c, before.label("before")).subquery()
    rows = session.execute(
        select(ranked.c.team_id, ranked.c.scored_at, ranked.c.final_score)
        .where(or_(ranked.c.before.is_(None), ranked.c.final_score > ranked.c.before))
        .order_by(ranked.c.scored_at, ranked.c.score_id)
    )
    found: dict[UUID, list[Any]] = {}
    for team, moment, score in rows:
        found.setdefault(team, []).append([moment.isoformat(), score])
    return found


def _scores(competition: Competition, evaluation: Evaluation, team_id: UUID | None) -> Subquery:
    """The scores that count, of a rerun that of the newest generation, and when their files were uploaded."""
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
    return select(newest).where(newest.c.age == 1).subquery()


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


def _ranks(session: Session, entries: Sequence[BestScore]) -> list[int]:
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
