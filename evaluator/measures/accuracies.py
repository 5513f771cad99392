"""Accuracies on retain, test and forget images, beside the oracles'."""

from lethe.evaluator.measures.inputs import MeasureInputs
from lethe.evaluator.measures.registry import PERCENT, RATE, Absent, measure
from lethe.evaluator.metrics import Pool, tug_of_war
from lethe.evaluator.metrics.pool import Floats

_QUESTION = "What do the networks predict?"


def _percent(inputs: MeasureInputs, part: str) -> Floats:
    if part not in inputs.accuracies:
        raise Absent(f"it needs the {part} accuracies of both pools")
    result: Floats = 100 * inputs.accuracies[part][0]
    return result


def _register(part: str, symbol: str) -> None:
    @measure(
        f"{part}_accuracy",
        title=f"{part.capitalize()} accuracy",
        symbol=symbol,
        unit="%",
        question=_QUESTION,
        scope="run",
        best="oracles",
        source="accuracy in percent",
        within=PERCENT,
        needs=("accuracies",),
    )
    def _accuracy(inputs: MeasureInputs) -> Floats:
        return _percent(inputs, part)


_register("forget", "UA")
_register("retain", "RA")
_register("test", "TA")


@measure(
    "tug_of_war",
    title="Tug of war",
    symbol="ToW",
    question=_QUESTION,
    scope="pool",
    best="high",
    source="Zhao et al. 2024, here of mean accuracies",
    within=RATE,
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
