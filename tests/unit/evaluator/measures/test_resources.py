"""What runs used: means over the runs that have a record."""

import numpy as np
import pytest

from lethe.evaluator.measures.inputs import MeasureInputs
from lethe.evaluator.measures.registry import measures

MARGINS = {"forget": (np.zeros((3, 2)), np.zeros((4, 2)))}


def test_resources_in_their_units_and_as_a_share_of_retraining() -> None:
    inputs = MeasureInputs(
        margins=MARGINS,  # type: ignore[arg-type]
        resources={
            "wall_s": np.array([1.0, 2.0, 3.0]),
            "processor_s": np.array([2.0, 2.0, 2.0]),
            "peak_memory_bytes": np.array([2.0, 4.0, 6.0]) * 2**20,
        },
        training_s=np.array([15.0, 25.0]),
    )
    found = {name: measures()[name].of(inputs) for name in ("wall_time", "processor_time", "peak_memory")}
    assert {name: one.values[name].value for name, one in found.items()} == {
        "wall_time": 2,
        "processor_time": 2,
        "peak_memory": 4,
    }
    wall = found["wall_time"].values["wall_time"]
    assert (wall.low, wall.high) == (0.0, pytest.approx(2 + 4.3027 / 3**0.5, abs=1e-3))
    assert measures()["retraining_share"].of(inputs).values["retraining_share"].value == pytest.approx(10)
    assert measures()["gpu_memory"].of(inputs).absent == "no run has a record of it"


def test_only_known_values_count() -> None:
    inputs = MeasureInputs(
        margins=MARGINS,  # type: ignore[arg-type]
        resources={"gpu_memory_bytes": np.array([np.nan, 2.0**20, np.nan]), "wall_s": np.full(3, np.nan)},
        training_s=np.zeros(2),
    )
    assert measures()["gpu_memory"].of(inputs).values["gpu_memory"].value == 1
    assert measures()["wall_time"].of(inputs).absent == "no run has a record of it"
    assert measures()["retraining_share"].of(inputs).absent == "it needs the times of training"
    assert measures()["wall_time"].of(MeasureInputs(margins=MARGINS)).absent == "it needs what the runs used"  # type: ignore[arg-type]
