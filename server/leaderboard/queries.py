"""SQL of the boards."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from evaluator.contract.states import Evaluation
from server.models import Score, Standing, Submission, Team


def is_current() -> ColumnElement[bool]:
    """Join a Submission and its current Score."""
    return (Score.submission_id == Submission.id) & (Score.generation == Submission.generation)


# The pages' analysis


@dataclass(frozen=True)
class BestScore:
    """The score in a standing, unrounded, with its submission; `position` is 0 for a baseline."""

    submission_id: UUID
    filename: str
    team: str
    position: int
    final_score: float
    forgetting_quality: float
    retain_ratio: float
    test_ratio: float


def best_scores(session: Session, competition_id: UUID, evaluation: Evaluation) -> list[BestScore]:
    """Return the best score of every team and baseline on the board, best first; ties in the board's order."""
    statement = (
        select(
            Submission.id.label("submission_id"), Submission.filename, Team.name.label("team"), Standing.position,
            Score.final_score, Score.forgetting_quality, Score.retain_ratio, Score.test_ratio,
        )
        .join(Score, Score.id == Standing.score_id)
        .join(Submission, Submission.id == Score.submission_id)
        .join(Team, Team.id == Standing.team_id)
        .where(Standing.competition_id == competition_id, Standing.evaluation == evaluation)
        .order_by(Score.final_score.desc(), Standing.position)
    )  # fmt: skip
    return [BestScore(**row) for row in session.execute(statement).mappings()]


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
