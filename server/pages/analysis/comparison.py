"""Two submissions side by side: their paired difference, drawn on a scale around zero."""

from dataclasses import dataclass
from uuid import UUID

import numpy as np
from sqlalchemy.orm import Session

from lethe.evaluator.contract.states import Evaluation
from lethe.evaluator.metrics import replicate_difference
from lethe.server.competitions.disclosure import round_score
from lethe.server.leaderboard.score_queries import ScoreReplicates, score_replicates
from lethe.server.models import Competition
from lethe.server.pages.formatting import score_text
from lethe.server.pages.scale import scale_for


@dataclass(frozen=True)
class Comparison:
    """How two submissions differ; places in percent of the width. `choices` names both by id."""

    verdict: str
    zero_x: float
    low_x: float
    high_x: float
    x: float
    alternative: str
    choices: dict[str, str]


def compare(session: Session, competition: Competition, view: Evaluation, a: UUID, b: UUID) -> Comparison | None:
    """Return the comparison, or None unless both are scored there in equally many groups, which the pairing needs."""
    found = {one.submission_id: one for one in score_replicates(session, competition.id, view, (a, b))}
    left, right = found.get(a), found.get(b)
    if left is None or right is None or len(left.replicates) != len(right.replicates):
        return None
    return _comparison(left, right)


def _comparison(left: ScoreReplicates, right: ScoreReplicates) -> Comparison:
    found = replicate_difference(
        left.final_score, np.array(left.replicates), right.final_score, np.array(right.replicates)
    )
    low, high = found.interval
    scale = scale_for((low, high))
    verdict = "The difference may be chance: the interval includes zero."
    if found.significant:
        better, worse = (left, right) if found.difference > 0 else (right, left)
        verdict = f"{_name(better)} is significantly better than {_name(worse)}."
    return Comparison(
        verdict=verdict,
        zero_x=scale.x(0.0),
        low_x=scale.x(low),
        high_x=scale.x(high),
        x=scale.x(found.difference),
        alternative=(
            f"Difference of the scores {_rounded(found.difference)}, "
            f"paired 95% interval {_rounded(low)} to {_rounded(high)}"
        ),
        choices={str(one.submission_id): f"{_name(one)}, {_rounded(one.final_score)}" for one in (left, right)},
    )


def _rounded(value: float) -> str:
    return score_text(round_score(value))


def _name(score: ScoreReplicates) -> str:
    return f"{score.team}: {score.filename}"
