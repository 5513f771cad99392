"""The common scale: round ticks, all values inside, order kept."""

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lethe.server.pages.scale import INSET_PERCENT, scale_for

values = st.lists(st.floats(-10, 1e4).filter(lambda value: value == 0 or abs(value) > 1e-6), max_size=20)


def test_a_usual_board() -> None:
    scale = scale_for([0.24, 0.18, 0.0107, 0.0])
    assert (scale.low, scale.high) == (0.0, 0.25)
    assert [tick.label for tick in scale.ticks] == ["0.00", "0.05", "0.10", "0.15", "0.20", "0.25"]
    assert scale.x(0) == INSET_PERCENT
    assert scale.x(0.25) == 100 - INSET_PERCENT
    assert scale.x(0.125) == 50
    assert scale.width(0.0, 0.125) == 50 - INSET_PERCENT


@pytest.mark.parametrize("found", [[], [0.0], [0.0, 0.0]])
def test_without_a_positive_score_it_ends_at_one(found: list[float]) -> None:
    scale = scale_for(found)
    assert (scale.low, scale.high) == (0.0, 1.0)
    assert scale.ticks[-1].label == "1.0"


def test_values_beyond_stick_to_the_ends() -> None:
    scale = scale_for([0.2])
    assert scale.x(-5) == INSET_PERCENT
    assert scale.x(5) == 100 - INSET_PERCENT
    assert scale.width(0.2, 0.1) == 0


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_refuses_what_has_no_place(bad: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        scale_for([0.1, bad])


@settings(deadline=None)  # a busy machine is no defect
@given(values)
def test_holds_every_value_in_order(found: list[float]) -> None:
    scale = scale_for(found)
    assert scale.low <= min([0.0, *found])
    assert scale.high >= max([0.0, *found]) * (1 - 1e-9)
    places = [scale.x(value) for value in sorted(found)]
    assert places == sorted(places)
    assert all(INSET_PERCENT <= place <= 100 - INSET_PERCENT for place in places)


@settings(deadline=None)  # a busy machine is no defect
@given(values)
def test_ticks_are_few_distinct_and_readable(found: list[float]) -> None:
    ticks = scale_for(found).ticks
    assert 2 <= len(ticks) <= 8
    assert all(right.x > left.x for left, right in pairwise(ticks))
    assert len({tick.label for tick in ticks}) == len(ticks)
    assert "-0" not in {tick.label.rstrip("0").rstrip(".") for tick in ticks}
