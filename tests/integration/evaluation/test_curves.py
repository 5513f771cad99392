"""A check has a curve, hidden runs have none, and neither weights nor advice depend on it."""

import pytest

from lethe.evaluator.contract.faults import FaultCode
from lethe.evaluator.contract.states import Stage
from lethe.evaluator.pipeline import WorkerResources
from tests.integration.evaluation.worker_resources import run
from tests.unit.evaluator.guest.test_curve import LOOP, SENSITIVE

pytestmark = pytest.mark.component("bubblewrap")

SEES_NO_TEST_IMAGES = """import os
def unlearning(net, retain, forget, validation):
    assert "practice-sample.safetensors" not in os.listdir("/sandbox/inputs")
"""
GUESSES_THE_WAY_OUT = """import sys
harness = sys.modules["lethe.evaluator.guest.harness"]
harness.with_curve = lambda weights, curve: {frame}
def unlearning(net, retain, forget, validation, seed):
    net.fc.bias.data.add_(seed)
"""


def test_the_check_of_practice_data_has_a_curve(resources: WorkerResources) -> None:
    done = run(resources, LOOP.format(passes=40), seeds=(1, 2), is_practice=True)
    assert done.fault is None, done.fault
    assert done.check is not None
    assert done.check.curve is not None
    points = done.check.curve.points
    assert (points[0].step, points[-1].step) == (0, 40 * 5)  # 20 images in batches of 4
    assert len(points) > 2


def test_outputs_are_the_same_with_and_without_a_curve(resources: WorkerResources) -> None:
    """The one run of each check is also the one that has a curve."""
    source = f"raise_here()\n{SENSITIVE.replace('range(4)', 'range(20)')}"
    plain, measured = (
        run(resources, source, seeds=(7,), leaves_out=True, is_practice=is_practice) for is_practice in (False, True)
    )
    assert plain.check is not None
    assert measured.check is not None
    assert plain.check.curve is None
    assert measured.check.curve is not None
    assert len(measured.check.left_out) == 1
    assert plain.check_outputs is not None
    assert plain.check_outputs == measured.check_outputs
    assert plain.check.advice == measured.check.advice


def test_a_file_without_an_optimiser_has_none(resources: WorkerResources) -> None:
    done = run(resources, "def unlearning(net, retain, forget, validation):\n    pass\n", is_practice=True)
    assert done.check is not None
    assert done.check.curve is None


def test_only_checks_see_test_images_and_only_those_of_practice_data(resources: WorkerResources) -> None:
    check = run(resources, SEES_NO_TEST_IMAGES, is_practice=True)
    assert check.fault is not None
    assert check.fault.code is FaultCode.EXCEPTION
    hidden = run(resources, SEES_NO_TEST_IMAGES, stage=Stage.RUN, token=77)
    assert (hidden.fault, hidden.check, len(hidden.finished)) == (None, None, 1)


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ('(4).to_bytes(4, "big") + b"[1]," + weights', None),
        ('(9).to_bytes(4, "big") + b\'{"steps"\' + weights', FaultCode.INVALID_RESULT),
        ('b"\\xff" * 9 + weights', FaultCode.INVALID_RESULT),
        ("weights", None),
    ],
)
def test_a_forged_curve_is_none(resources: WorkerResources, frame: str, code: FaultCode | None) -> None:
    done = run(resources, GUESSES_THE_WAY_OUT.format(frame=frame), seeds=(1, 2), is_practice=True)
    assert (None if done.fault is None else done.fault.code) == code
    assert done.check is not None
    assert done.check.curve is None
