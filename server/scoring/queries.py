"""SQL of scoring: stored scores, the outputs they were computed from, and the boards that a rescore changes."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, bindparam, select
from sqlalchemy.orm import Session

from lethe.evaluator.contract.states import Evaluation, Stage
from lethe.server.database.statements import prepared
from lethe.server.leaderboard.score_queries import is_current, is_newest
from lethe.server.models import Competition, OutputPack, Score, Standing, Submission, Team, WorkItem


def newest_scores(session: Session, competition: Competition) -> Sequence[Row[Score, Submission, str]]:
    """Return the newest score of each submission, with the submission and its team's name, oldest submission first."""
    return session.execute(
        select(Score, Submission, Team.name)
        .join(Submission, Submission.id == Score.submission_id)
        .join(Team, Team.id == Submission.team_id)
        .where(Score.competition_id == competition.id, is_newest())
        .order_by(Submission.created_at, Submission.id)
    ).all()


def _is_reference(competition: Competition) -> ColumnElement[bool]:
    return (Score.competition_id == competition.id) & Score.reference.is_not(None)


def reference_scores(
    session: Session, competition: Competition, evaluation: Evaluation | None = None
) -> Sequence[Score]:
    """Return the scores of ceiling and floor, of one evaluation or of both."""
    query = select(Score).where(_is_reference(competition)).order_by(Score.evaluation, Score.reference)
    if evaluation is not None:
        query = query.where(Score.evaluation == evaluation)
    return session.scalars(query).all()


@prepared
def _run_items() -> Select[WorkItem]:
    return (
        select(WorkItem)
        .where(
            WorkItem.submission_id == bindparam("submission_id"),
            WorkItem.generation == bindparam("generation"),
            WorkItem.stage == Stage.RUN,
        )
        .order_by(WorkItem.chunk)
    )


@prepared
def unmeasured_score() -> Select[Score]:
    """A current score, or a reference, of which measures are missing: those without any before those asked for."""
    is_shown = is_current() | Score.reference.is_not(None)
    return (
        select(Score)
        .outerjoin(Submission, Submission.id == Score.submission_id)
        .where(Score.measures.is_(None) | Score.measures_asked, is_shown)
        .order_by(Score.measures.is_not(None), Score.created_at.desc())
        .limit(1)
    )


def run_items(session: Session, submission: Submission, generation: int | None = None) -> list[WorkItem]:
    """Return the run chunks of a generation of the submission, by default its current one."""
    generation = submission.generation if generation is None else generation
    return list(_run_items.entities(session, submission_id=submission.id, generation=generation).scalars())


@prepared
def _output_pack() -> Select[OutputPack]:
    return select(OutputPack).where(
        OutputPack.submission_id == bindparam("submission_id"), OutputPack.generation == bindparam("generation")
    )


def find_pack(session: Session, submission_id: UUID, generation: int) -> OutputPack | None:
    """Return the pack with the outputs of a generation, or None while they lie in a file for each run."""
    found = _output_pack.entities(session, submission_id=submission_id, generation=generation)
    pack: OutputPack | None = found.scalar_one_or_none()
    return pack


def team_scores(session: Session, competition: Competition, evaluation: Evaluation) -> Sequence[Row[*tuple[Any, ...]]]:
    """Return name, score and rank of every team on a board, baselines among them."""
    return session.execute(
        select(Team.name, Score.final_score, Standing.rank)
        .join(Standing, Standing.team_id == Team.id)
        .join(Score, Score.id == Standing.score_id)
        .where(Standing.competition_id == competition.id, Standing.evaluation == evaluation)
    ).all()
