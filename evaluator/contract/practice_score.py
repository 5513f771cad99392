"""The score of a file on practice data, which are public, so that everything of it may be shown."""

from collections.abc import Sequence

from pydantic import Field

from lethe.evaluator.contract.base import Contract

FURTHER_WALL_S, FURTHER_LIMIT_S = 60.0, 120.0
"""The further runs of a check on a server are begun if all together should take no longer than the first, by the wall
time of the check's own runs; those that go on after the second are ended.
"""
EPSILON_BIN = 0.5
"""Width of a bar of epsilon: another one halves the points of an image."""


class ScoredPractice(Contract):
    """A score of a few runs on practice data, with its 95% interval, against practice oracles.

    As text it is one line, for terminals.
    """

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
        min_length=1, repr=False, description="Of each forget image; 0: the runs cannot be told from oracles"
    )
    margins: tuple[float, ...] = Field(
        min_length=1, repr=False, description="On each forget image, means over the runs"
    )
    oracle_margins: tuple[float, ...] = Field(min_length=1, repr=False, description="The same of the oracles")
    trained_s: float | None = Field(default=None, description="Seconds of training practice oracles, if this check did")

    def __str__(self) -> str:
        return (
            f"practice score {self.score:.4f}, 95% interval [{self.low:.4f}, {self.high:.4f}]: forgetting quality "
            f"{self.forgetting_quality:.4f} × retain {self.retain_ratio:.3f} × test {self.test_ratio:.3f}"
        )


def count_epsilon(epsilon: Sequence[float], most_bins: int) -> tuple[int, ...]:
    """Return how many of `epsilon` are in each bin of `EPSILON_BIN` from 0 on, up to the largest value, at least one.

    The last of `most_bins` includes all that is larger.
    """
    bins = [min(int(value / EPSILON_BIN), most_bins - 1) for value in epsilon]
    return tuple(bins.count(place) for place in range(max(bins, default=0) + 1))
