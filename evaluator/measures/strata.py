"""Forgetting quality by how much the original network had memorised: what is hard to forget, and what is not."""

import numpy as np

from lethe.evaluator.measures.epsilon import image_epsilon
from lethe.evaluator.measures.inputs import MeasureInputs
from lethe.evaluator.measures.registry import RATE, Absent, measure
from lethe.evaluator.metrics import example_quality
from lethe.evaluator.metrics.pool import Floats

STRATA = ("least", "middle", "most")


def memorisation(original: Floats, retrained: Floats) -> Floats:
    """(E,) margins of the original network (E,) minus the mean over the oracles (M, E): what training on them gave.

    The difference that Feldman, "Does learning require memorization?" (2020), takes of probabilities, here of margins.
    """
    gained: Floats = original - retrained.mean(axis=0)
    return gained


def _register(place: int, stratum: str) -> None:
    @measure(
        f"quality_{stratum}_memorised",
        title=f"Forgetting quality, {stratum} memorised third of images",
        question="Can the runs be told from oracles?",
        scope="pool",
        best="oracles",
        source="thirds by the original network's margin minus the oracles' mean",
        within=RATE,
        needs=("original",),
    )
    def _quality(inputs: MeasureInputs) -> float:
        if inputs.original is None or len(inputs.original) < len(STRATA):
            raise Absent(f"it needs at least {len(STRATA)} forget images")
        order = np.argsort(memorisation(inputs.original, inputs.forget[1]), kind="stable")
        images = np.array_split(order, len(STRATA))[place]
        try:
            paid = example_quality(
                image_epsilon(inputs)[images], rule=inputs.rule, runs=inputs.models, oracles=inputs.oracles
            )
        except ValueError as error:
            raise Absent(str(error)) from error
        return float(paid.mean())


for _place, _stratum in enumerate(STRATA):
    _register(_place, _stratum)
