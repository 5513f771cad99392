"""Attacks on retain and test images: who else was harmed."""

import numpy as np
import pytest

from lethe.evaluator.measures import klom, u_lira
from lethe.evaluator.measures.inputs import MeasureInputs
from lethe.evaluator.measures.registry import measures
from lethe.evaluator.metrics import exact_epsilon


def pair(shift: float, images: int) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(images)
    return draw.normal(shift, 1, (32, images)), draw.normal(0, 1, (32, images))


def test_each_part_is_attacked_by_its_own_margins() -> None:
    inputs = MeasureInputs(margins={"forget": pair(3, 5), "retain": pair(0, 6), "test": pair(1, 7)})
    for part in ("retain", "test"):
        ours, theirs = inputs.margins[part]
        found = {name: measures()[f"{part}_{name}"].of(inputs) for name in ("u_lira", "klom", "epsilon")}
        assert found["u_lira"].values[f"{part}_u_lira"].value == u_lira(ours, theirs).mean_accuracy
        assert found["klom"].each == pytest.approx(klom(ours, theirs))
        assert found["epsilon"].each == pytest.approx(exact_epsilon(ours, theirs))
        assert all(value.low is not None for one in found.values() for value in one.values.values())


def test_a_part_that_nobody_stored_is_absent() -> None:
    inputs = MeasureInputs(margins={"forget": pair(3, 5)})
    assert measures()["retain_klom"].of(inputs).absent == "it needs outputs on the retain sample"
    assert measures()["test_u_lira"].of(inputs).absent == "it needs outputs on the test images"
