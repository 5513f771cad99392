"""Accuracies on retain, test and forget images, beside the oracles'."""

from lethe.evaluator.measures.inputs import MeasureInputs
from lethe.evaluator.measures.registry import Absent, measure
from lethe.evaluator.metrics import Pool, tug_of_war
from lethe.evaluator.metrics.pool import Floats

_QUESTION = "What do the networks predict?"
_NOTEBOOKS = "accuracy in percent"


def _percent(inputs: MeasureInputs, part: str) -> Floats:
    if part not in inputs.accuracies:
        raise Absent(f"it needs the {part} accuracies of both pools")
    result: Floats = 100 * inputs.accuracies[part][0]
    return result


@measure(
    "forget_accuracy",
    title="Forget accuracy",
    symbol="UA",
    unit="%",
    question=_QUESTION,
    scope="run",
    best="oracles",
    source=_NOTEBOOKS,
    needs=("accuracies",),
)
def _forget_accuracy(inputs: MeasureInputs) -> Floats:
    return _percent(inputs, "forget")


@measure(
    "retain_accuracy",
    title="Retain accuracy",
    symbol="RA",
    unit="%",
    question=_QUESTION,
    scope="run",
    best="oracles",
    source=_NOTEBOOKS,
    needs=("accuracies",),
)
def _retain_accuracy(inputs: MeasureInputs) -> Floats:
    return _percent(inputs, "retain")


@measure(
    "test_accuracy",
    title="Test accuracy",
    symbol="TA",
    unit="%",
    question=_QUESTION,
    scope="run",
    best="oracles",
    source=_NOTEBOOKS,
    needs=("accuracies",),
)
def _test_accuracy(inputs: MeasureInputs) -> Floats:
    return _percent(inputs, "test")


@measure(
    "tug_of_war",
    title="Tug of war",
    symbol="ToW",
    question=_QUESTION,
    scope="pool",
    best="high",
    source="Zhao et al. 2024, here of mean accuracies",
    needs=("accuracies",),
)
def _tug_of_war(inputs: MeasureInputs) -> float:
    for part in ("forget", "retain", "test"):
        _percent(inputs, part)
    ours, theirs = (
        Pool(
            margins=inputs.forget[side],
            forget_accuracy=inputs.accuracies["forget"][side],
            retain_accuracy=inputs.accuracies["retain"][side],
            test_accuracy=inputs.accuracies["test"][side],
        )
        for side in (0, 1)
    )
    return tug_of_war(ours, theirs)
