"""Epsilon of the forget images by the competition's own rule."""

from lethe.evaluator.measures.inputs import MeasureInputs, shared
from lethe.evaluator.measures.registry import NOT_NEGATIVE, Absent, measure
from lethe.evaluator.metrics import epsilon
from lethe.evaluator.metrics.pool import Floats


@measure(
    "epsilon",
    title="Epsilon of the score's rule",
    question="Can the runs be told from oracles?",
    scope="image",
    best="oracles",
    source="docs/metric.md",
    within=NOT_NEGATIVE,
)
@shared
def image_epsilon(inputs: MeasureInputs) -> Floats:
    """(E,) epsilon by the inputs' rule; Absent where the rule refuses the pools, such as unequal ones."""
    try:
        return epsilon(*inputs.forget, rule=inputs.rule)
    except ValueError as error:
        raise Absent(str(error)) from error
