"""Two submissions side by side: their paired difference, drawn on a scale around zero."""

from dataclasses import dataclass
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.orm import Session

from evaluator.contract.states import Evaluation
from evaluator.metrics import replicate_difference
from server.models import Competition, Score, Submission, Team
from server.pages import texts
from server.pages.formatting import score_text
from server.pages.scale import scale_for


@dataclass(frozen=True)
class Compared:
    """How two submissions differ; places in percent of the width. `choices` has both, as a list offers them."""

    verdict: str
    zero_x: float
    low_x: float
    high_x: float
    x: float
    alternative: str
    choices: dict[str, str]


@dataclass(frozen=True, eq=False)
class Scored:
    """A scored submission; `replicates` (G,) float64."""

    id: UUID
    name: str
    final: float
    replicates: NDArray[np.float64]


def compare(session: Session, competition: Competition, view: Evaluation, a: UUID, b: UUID) -> Compared | None:
    """None unless both are scored there, and by equal numbers of groups, without which nothing can be paired."""
    found = {one.id: one for one in _scored(session, competition, view, (a, b))}
    left, right = found.get(a), found.get(b)
    if left is None or right is None or left.replicates.shape != right.replicates.shape:
        return None
    return _compared(left, right)


def _scored(session: Session, competition: Competition, view: Evaluation, wanted: tuple[UUID, UUID]) -> list[Scored]:
    found = session.execute(
        select(Submission.id, Submission.filename, Team.name, Score.final_score, Score.replicates)
        .join(Score, (Score.submission_id == Submission.id) & (Score.generation == Submission.generation))
        .join(Team, Team.id == Submission.team_id)
        .where(
            Submission.id.in_(wanted),
            Submission.competition_id == competition.id,
            Submission.evaluation == view,
            Submission.disqualified_reason.is_(None),
        )
    )
    return [Scored(row.id, f"{row.name}: {row.filename}", row.final_score, np.array(row.replicates)) for row in found]


def _compared(left: Scored, right: Scored) -> Compared:
    found = replicate_difference(left.final, left.replicates, right.final, right.replicates)
    low, high = found.interval
    scale = scale_for((low, high))
    verdict = texts.MAY_BE_CHANCE
    if found.significant:
        better, worse = (left.name, right.name) if found.difference > 0 else (right.name, left.name)
        verdict = texts.IS_BETTER.format(better=better, worse=worse)
    return Compared(
        verdict=verdict,
        zero_x=scale.x(0.0),
        low_x=scale.x(low),
        high_x=scale.x(high),
        x=scale.x(found.difference),
        alternative=texts.DIFFERENCE.format(
            difference=score_text(found.difference), low=score_text(low), high=score_text(high)
        ),
        choices={str(one.id): f"{one.name}, {score_text(one.final)}" for one in (left, right)},
    )
