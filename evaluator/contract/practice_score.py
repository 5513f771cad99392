"""The score of a file on practice data, which are public, so that everything of it may be shown."""

from pydantic import Field

from lethe.evaluator.contract.base import Contract


class ScoredPractice(Contract):
    """A score of a few runs on practice data, with its 95% interval, against practice oracles."""

    rule: str
    runs: int
    oracles: int
    score: float
    low: float
    high: float
    forgetting_quality: float
    retain_ratio: float
    test_ratio: float
    epsilon: tuple[float, ...] = Field(
        repr=False, description="Of each forget image; 0: the runs cannot be told from oracles"
    )
    margins: tuple[float, ...] = Field(repr=False, description="On each forget image, means over the runs")
    oracle_margins: tuple[float, ...] = Field(repr=False, description="The same of the oracles")
    trained_s: float | None = Field(default=None, description="Seconds of training practice oracles, if this check did")
