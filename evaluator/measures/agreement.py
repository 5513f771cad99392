"""Agreement of the runs' predictions on the forget set with the oracles': relative accuracy and fidelity."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


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
    ours, theirs = _checked(unlearned, retrained)
    agreeing = 0.0
    for label in np.union1d(ours, theirs):
        agreeing += float(((ours == label).mean(axis=0) * (theirs == label).mean(axis=0)).mean())
    return 100 * agreeing


def _checked(unlearned: ArrayLike, retrained: ArrayLike) -> tuple[NDArray[np.generic], NDArray[np.generic]]:
    ours, theirs = np.asarray(unlearned), np.asarray(retrained)
    if ours.ndim != 2 or theirs.ndim != 2 or ours.shape[1] != theirs.shape[1] or 0 in (*ours.shape, *theirs.shape):
        raise ValueError("predictions must have the shapes (runs, examples) and (oracles, examples), none empty")
    return ours, theirs
