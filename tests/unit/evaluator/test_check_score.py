"""When a check goes on to the further runs of a practice score."""

import pytest

from lethe.evaluator.check_score import reason_against
from lethe.evaluator.contract.advice import Advice


@pytest.mark.parametrize(
    ("wall_s", "runs", "slots"),
    [(10.0, 6, 1), (20.0, 6, 2), (60.0, 6, 6), (60.0, 6, 99), (8.5, 7, 1)],
)
def test_runs_that_take_a_minute_at_most_are_done(wall_s: float, runs: int, slots: int) -> None:
    assert reason_against([Advice.SAME_FOR_ALL_SEEDS], wall_s=wall_s, runs=runs, slots=slots) == ""


@pytest.mark.parametrize(
    ("wall_s", "slots", "expected"), [(10.1, 1, "61"), (20.5, 2, "62"), (20.5, 4, ""), (61, 6, "61")]
)
def test_longer_ones_are_left_out_and_it_says_how_long(wall_s: float, slots: int, expected: str) -> None:
    told = reason_against([], wall_s=wall_s, runs=6, slots=slots)
    assert (f"would need about {expected} s here, and may have 60 s. `lethe check -c` scores" in told) == bool(expected)


def test_an_unchanged_network_is_not_run_again() -> None:
    told = reason_against([Advice.UNCHANGED], wall_s=1.0, runs=6, slots=6)
    assert told == "The network came back unchanged, so there is no practice score."
