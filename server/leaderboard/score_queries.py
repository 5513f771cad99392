"""The SQL of scores: which one counts, the best of each team, how they rose, their replicates and plots.

Two scores of a submission have a name. The current one is that of its generation: there is none from the moment a rerun
begins until it is scored. The newest one is that of its newest scored generation, so that boards and archives keep
showing a score while the submission runs again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Select,
    Subquery,
    Update,
    bindparam,
    exists,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Session, aliased

from lethe.evaluator.contract.states import Evaluation
from lethe.server.database.statements import prepared
from lethe.server.models import Competition, OverviewPlot, Score, Standing, Submission, Team


def is_current() -> ColumnElement[bool]:
    """Join a Submission and its current Score."""
    return (Score.submission_id == Submission.id) & (Score.generation == Submission.generation)


def is_newest() -> ColumnElement[bool]:
    """Keep of each submission's Scores the newest one."""
    newer = aliased(Score)
    return ~exists().where(newer.submission_id == Score.submission_id, newer.generation > Score.generation)


def counts() -> ColumnElement[bool]:
    """Keep Submissions whose scores count on a board: neither they nor their Teams are disqualified."""
    return Submission.disqualified_reason.is_(None) & Team.disqualified_reason.is_(None)


@prepared
def _current_score() -> Select[Score]:
    return select(Score).where(
        Score.submission_id == bindparam("submission_id"), Score.generation == bindparam("generation")
    )


def current_score(session: Session, submission: Submission) -> Score | None:
    """Return the score of the submission's generation, or None."""
    found = _current_score.entities(session, submission_id=submission.id, generation=submission.generation)
    score: Score | None = found.scalar_one_or_none()
    return score


def _scores() -> Select[*tuple[Any, ...]]:
    """Scores that count on the board of `competition_id` and `evaluation`, with the times of their files' upload."""
    origin = aliased(Submission)
    return (
        select(
            Score.id.label("score_id"),
            Score.final_score,
            func.coalesce(Submission.finished_at, Score.created_at).label("scored_at"),
            Submission.team_id,
            Team.is_baseline,
            func.coalesce(origin.created_at, Submission.created_at).label("submitted_at"),
        )
        .join(Submission, Submission.id == Score.submission_id)
        .join(Team, Team.id == Submission.team_id)
        .outerjoin(origin, origin.id == Submission.origin_id)
        .where(
            Submission.competition_id == bindparam("competition_id"),
            Submission.evaluation == bindparam("evaluation"),
            counts(),
            is_newest(),
        )
    )


def _of_team() -> ColumnElement[bool]:
    return Submission.team_id == bindparam("team_id")


def _best(scores: Subquery) -> Select[*tuple[Any, ...]]:
    """Of each team the best of `scores`; of equal ones that of the file uploaded first."""
    team = scores.c.team_id
    order = (scores.c.final_score.desc(), scores.c.submitted_at, scores.c.score_id)
    placed = select(
        *scores.c,
        func.row_number().over(partition_by=team, order_by=order).label("place"),
        func.count().over(partition_by=team).label("entries"),
        func.max(scores.c.scored_at).over(partition_by=team).label("last_scored_at"),
    ).subquery()
    return select(placed).where(placed.c.place == 1)


@prepared
def best_scores() -> Select[*tuple[Any, ...]]:
    """Each team's best score on the board of `competition_id` and `evaluation`, baselines among them."""
    return _best(_scores().subquery())


@prepared
def best_score_of_team() -> Select[*tuple[Any, ...]]:
    """The row of `best_scores` of the team `team_id`, if it has one."""
    return _best(_scores().where(_of_team()).subquery())


def _rises(scores: Subquery) -> Select[*tuple[Any, ...]]:
    """Those of `scores` that were above all their team had before them, oldest first."""
    before = func.max(scores.c.final_score).over(
        partition_by=scores.c.team_id, order_by=(scores.c.scored_at, scores.c.score_id), rows=(None, -1)
    )
    ranked = select(*scores.c, before.label("before")).subquery()
    return (
        select(ranked.c.team_id, ranked.c.scored_at, ranked.c.final_score)
        .where(or_(ranked.c.before.is_(None), ranked.c.final_score > ranked.c.before))
        .order_by(ranked.c.scored_at, ranked.c.score_id)
    )


@prepared
def score_rises() -> Select[*tuple[Any, ...]]:
    """When each team's best score rose, and to what, on the board of `competition_id` and `evaluation`."""
    return _rises(_scores().subquery())


@prepared
def score_rises_of_team() -> Select[*tuple[Any, ...]]:
    """The rows of `score_rises` of the team `team_id`."""
    return _rises(_scores().where(_of_team()).subquery())


def standings(session: Session, competition: Competition, evaluation: Evaluation) -> list[Standing]:
    """Return all standings of a board, in no particular order."""
    of_board = select(Standing).where(Standing.competition_id == competition.id, Standing.evaluation == evaluation)
    return list(session.scalars(of_board))


@prepared
def _replicates() -> Select[UUID, list[Any]]:
    return select(Score.id, Score.replicates).where(Score.id.in_(bindparam("score_ids", expanding=True)))


def replicates(session: Session, score_ids: Iterable[UUID], batch: int = 1_000) -> dict[UUID, list[float]]:
    """Return the replicates of each score, read `batch` scores at a time."""
    ids = list(score_ids)
    found: dict[UUID, list[float]] = {}
    for start in range(0, len(ids), batch):
        rows = _replicates.rows(session, score_ids=ids[start : start + batch])
        found.update((row.id, row.replicates) for row in rows)
    return found


@prepared
def undrawn_score() -> Select[Score]:
    """The newest current score whose plots nobody has tried to draw."""
    return (
        select(Score)
        .join(Submission, is_current())
        .where(Score.plots.is_(None), Score.submission_id.is_not(None))
        .order_by(Score.created_at.desc())
        .limit(1)
    )


@prepared
def store_plots() -> Update:
    """Name the plots of the score `score_id`."""
    return update(Score).where(Score.id == bindparam("score_id")).values(plots=bindparam("drawn"))


@prepared
def _reference_rows() -> Select[Score]:
    return select(Score).where(
        Score.competition_id == bindparam("competition_id"),
        Score.evaluation == bindparam("evaluation"),
        Score.reference.is_not(None),
    )


def reference_rows(session: Session, competition_id: UUID, evaluation: str) -> list[Score]:
    """Return the scores of ceiling and floor on a board."""
    reference = Evaluation(evaluation).reference
    found = _reference_rows.entities(session, competition_id=competition_id, evaluation=reference)
    return list(found.scalars())


@prepared
def _ceiling_parts() -> Select[*tuple[Any, ...]]:
    return select(Score.forgetting_quality, Score.retain_ratio, Score.test_ratio).where(
        Score.competition_id == bindparam("competition_id"),
        Score.evaluation == bindparam("evaluation"),
        Score.reference == "ceiling",
    )


def ceiling_parts(session: Session, competition_id: UUID, evaluation: Evaluation) -> tuple[float, float] | None:
    """Return forgetting quality and utility of a board's ceiling, or None before it is calibrated."""
    found = _ceiling_parts.rows(session, competition_id=competition_id, evaluation=evaluation.reference).first()
    return None if found is None else (found.forgetting_quality, found.retain_ratio * found.test_ratio)


@prepared
def overview_plots() -> Select[OverviewPlot]:
    """Every board's plot over all submissions."""
    return select(OverviewPlot)


@prepared
def overview_scores() -> Select[*tuple[Any, ...]]:
    """The `limit` best current scores that count on a board, best first; a team's best one with the team's place."""
    return (
        select(Score.final_score, Score.forgetting_quality, Score.retain_ratio, Score.test_ratio, Standing.position)
        .join(Submission, is_current())
        .join(Team, Team.id == Submission.team_id)
        .outerjoin(Standing, Standing.score_id == Score.id)
        .where(
            Submission.competition_id == bindparam("competition_id"),
            Submission.evaluation == bindparam("evaluation"),
            counts(),
        )
        .order_by(Score.final_score.desc(), Submission.id)
        .limit(bindparam("limit"))
    )


@dataclass(frozen=True)
class AnalysedScore:
    """The score in a standing, unrounded, with its submission; `position` is 0, `rank` None for a baseline."""

    submission_id: UUID
    filename: str
    team: str
    position: int
    rank: int | None
    final_score: float
    forgetting_quality: float
    retain_ratio: float
    test_ratio: float


def analysed_scores(session: Session, competition_id: UUID, evaluation: Evaluation) -> list[AnalysedScore]:
    """Return the best score of every team and baseline on the board, best first; ties in the board's order."""
    statement = (
        select(
            Submission.id.label("submission_id"), Submission.filename, Team.name.label("team"), Standing.position,
            Standing.rank,
            Score.final_score, Score.forgetting_quality, Score.retain_ratio, Score.test_ratio,
        )
        .join(Score, Score.id == Standing.score_id)
        .join(Submission, Submission.id == Score.submission_id)
        .join(Team, Team.id == Standing.team_id)
        .where(Standing.competition_id == competition_id, Standing.evaluation == evaluation)
        .order_by(Score.final_score.desc(), Standing.position)
    )  # fmt: skip
    return [AnalysedScore(**row) for row in session.execute(statement).mappings()]


@dataclass(frozen=True)
class ScoreReplicates:
    """A submission's current score with its replicates, one for each group."""

    submission_id: UUID
    filename: str
    team: str
    final_score: float
    replicates: list[float]


def score_replicates(
    session: Session, competition_id: UUID, evaluation: Evaluation, submission_ids: Sequence[UUID]
) -> list[ScoreReplicates]:
    """Return the current scores of the submissions that belong to the evaluation and are not disqualified."""
    statement = (
        select(
            Submission.id.label("submission_id"), Submission.filename, Team.name.label("team"),
            Score.final_score, Score.replicates,
        )
        .join(Score, is_current())
        .join(Team, Team.id == Submission.team_id)
        .where(
            Submission.id.in_(submission_ids),
            Submission.competition_id == competition_id,
            Submission.evaluation == evaluation,
            Submission.disqualified_reason.is_(None),
        )
    )  # fmt: skip
    return [ScoreReplicates(**row) for row in session.execute(statement).mappings()]
