"""Agreement of the runs' predictions on the forget set with the oracles': relative accuracy and fidelity."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lethe.evaluator.measures.inputs import MeasureInputs
from lethe.evaluator.measures.registry import PERCENT, Absent, measure
from lethe.evaluator.metrics.pool import Floats


def relative_unlearning_accuracy(unlearned: ArrayLike, retrained: ArrayLike, labels: ArrayLike) -> float:
    """rUA in percentage points, signed: forget accuracy of the runs minus that of the oracles; 0 is best.

    `unlearned` (M, E) and `retrained` (N, E) hold predicted classes, `labels` (E,) the true ones. The mean over all
    pairs of a run and an oracle; the code of seed 004 takes one ideal model instead. Raises ValueError on wrong shapes.
    """
    ours, theirs = _checked(unlearned, retrained)
    truth = np.asarray(labels)
    if truth.shape != ours.shape[1:]:
        raise ValueError(f"labels must have the shape {ours.shape[1:]}, not {truth.shape}")
    return 100 * (float((ours == truth).mean()) - float((theirs == truth).mean()))


def fidelity(unlearned: ArrayLike, retrained: ArrayLike) -> float:
    """Top-1 agreement with the oracles on the forget set in percent, the mean over all pairs; arguments as above."""
    return float(_agreements(*_checked(unlearned, retrained)).mean())


def _agreements(ours: NDArray[np.generic], theirs: NDArray[np.generic]) -> Floats:
    """(M,) of each run the mean agreement with all oracles in percent."""
    agreeing = np.zeros(ours.shape)
    for label in np.unique(theirs):
        agreeing += (ours == label) * (theirs == label).mean(axis=0)
    percent: Floats = 100 * agreeing.mean(axis=1)
    return percent


def _checked(unlearned: ArrayLike, retrained: ArrayLike) -> tuple[NDArray[np.generic], NDArray[np.generic]]:
    ours, theirs = np.asarray(unlearned), np.asarray(retrained)
    if ours.ndim != 2 or theirs.ndim != 2 or ours.shape[1] != theirs.shape[1] or 0 in (*ours.shape, *theirs.shape):
        raise ValueError("predictions must have the shapes (runs, examples) and (oracles, examples), none empty")
    return ours, theirs


def _predictions(inputs: MeasureInputs) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """(N, E) and (M, E) predicted classes of the forget images."""
    assert inputs.logits is not None and inputs.oracle_logits is not None  # noqa: S101, PT018 - both are needed
    return inputs.logits["forget"].argmax(axis=2), inputs.oracle_logits["forget"].argmax(axis=2)


@measure(
    "relative_unlearning_accuracy",
    title="Forget accuracy minus the oracles'",
    symbol="rUA",
    unit="points",
    question="What do the networks predict?",
    scope="run",
    best="oracles",
    source="seed 004, here against all oracles",
    needs=("accuracies",),
)
def _relative_accuracy(inputs: MeasureInputs) -> Floats:
    if "forget" not in inputs.accuracies:
        raise Absent("it needs the forget accuracies of both pools")
    ours, theirs = inputs.accuracies["forget"]
    difference: Floats = 100 * (ours - theirs.mean())
    return difference


@measure(
    "fidelity",
    title="Agreement with the oracles on forget images",
    unit="%",
    question="What do the networks predict?",
    scope="run",
    best="oracles",
    source="seed 004, here against all oracles",
    within=PERCENT,
    needs=("logits", "oracle_logits"),
)
def _fidelity(inputs: MeasureInputs) -> Floats:
    return _agreements(*_predictions(inputs))
