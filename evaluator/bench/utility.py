"""The utility of a row: what the score multiplies forgetting quality with, with an interval of its own."""

from math import inf

from lethe.evaluator.measures.inputs import MeasureInputs
from lethe.evaluator.measures.registry import Value
from lethe.evaluator.metrics import Pool
from lethe.evaluator.metrics.uncertainty import group_count, interval, jackknife_error
from lethe.evaluator.metrics.utility import accuracy_ratio


def utility_of(inputs: MeasureInputs, *, cap: bool) -> Value:
    """Return the product of the retain and the test accuracy ratio, with the jackknife's 95% interval.

    `cap` limits each ratio to 1, as the competition's rule does. `inputs` has the accuracies of both pools.
    """
    groups = group_count(inputs.models, inputs.oracles)
    value = _utility(inputs, cap)
    error = float(jackknife_error([_utility(inputs.without(group, groups), cap) for group in range(groups)]))
    return Value(value, *interval(value, error, groups - 1, most=1.0 if cap else inf), error)


def _utility(inputs: MeasureInputs, cap: bool) -> float:
    ours, theirs = (
        Pool(
            margins=inputs.forget[side],
            retain_accuracy=inputs.accuracies["retain"][side],
            test_accuracy=inputs.accuracies["test"][side],
        )
        for side in (0, 1)
    )
    retain = accuracy_ratio(ours, theirs, kind="retain", cap=cap)
    return retain * accuracy_ratio(ours, theirs, kind="test", cap=cap)
