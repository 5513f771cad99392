"""Scores as the metric would have left them in the database."""

from typing import Any
from uuid import UUID

from lethe.server.models import Score, Submission


def make_score(competition_id: UUID, score: float, *, submission: Submission | None = None, **others: Any) -> Score:
    """A row with `score` in every group of runs and no loss of utility; `others` are columns that differ."""
    columns: dict[str, Any] = {
        "submission_id": None if submission is None else submission.id,
        "final_score": score,
        "interval_low": score,
        "interval_high": score,
        "forgetting_quality": score,
        "retain_ratio": 1.0,
        "test_ratio": 1.0,
        "replicates": [score] * 16,
        "receipt": {},
    }
    return Score(competition_id=competition_id, **columns | others)
