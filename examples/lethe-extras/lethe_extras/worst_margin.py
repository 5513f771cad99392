"""A measure: how far the worst forget image is from where oracles have it. Importing the module registers it."""

import numpy as np

from lethe.evaluator.measures.inputs import MeasureInputs
from lethe.evaluator.measures.registry import measure


@measure(
    "worst_margin",
    title="Largest distance of mean margins",
    question="Can the runs be told from oracles?",
    scope="pool",
    best="low",
    source="lethe-extras",
)
def worst_margin(inputs: MeasureInputs) -> float:
    """The largest distance of an image's mean margin in the runs to that in the oracles."""
    runs, oracles = inputs.forget
    return float(np.abs(runs.mean(axis=0) - oracles.mean(axis=0)).max())
