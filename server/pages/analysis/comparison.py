"""Two submissions side by side: their paired difference, drawn on a scale around zero."""

from dataclasses import dataclass
from uuid import UUID

import numpy as np
from sqlalchemy.orm import Session

from evaluator.contract.states import Evaluation
from evaluator.metrics import replicate_difference
from server.leaderboard.queries import ScoreReplicates, score_replicates
from server.models import Competition
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


def compare(session: Session, competition: Competition, view: Evaluation, a: UUID, b: UUID) -> Compared | None:
    """None unless both are scored there, and by equal numbers of groups, without which nothing can be paired."""
    found = {one.submission_id: one for one in score_replicates(session, competition.id, view, (a, b))}
    left, right = found.get(a), found.get(b)
    if left is None or right is None or len(left.replicates) != len(right.replicates):
        return None
    return _compared(left, right)


def _compared(left: ScoreReplicates, right: ScoreReplicates) -> Compared:
    found = replicate_difference(
        left.final_score, np.array(left.replicates), right.final_score, np.array(right.replicates)
    )
    low, high = found.interval
    scale = scale_for((low, high))
    verdict = texts.MAY_BE_CHANCE
    if found.significant:
        better, worse = (left, right) if found.difference > 0 else (right, left)
        verdict = texts.IS_BETTER.format(better=_name(better), worse=_name(worse))
    return Compared(
        verdict=verdict,
        zero_x=scale.x(0.0),
        low_x=scale.x(low),
        high_x=scale.x(high),
        x=scale.x(found.difference),
        alternative=texts.DIFFERENCE.format(
            difference=score_text(found.difference), low=score_text(low), high=score_text(high)
        ),
        choices={str(one.submission_id): f"{_name(one)}, {score_text(one.final_score)}" for one in (left, right)},
    )


def _name(score: ScoreReplicates) -> str:
    return f"{score.team}: {score.filename}"
