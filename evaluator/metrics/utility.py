"""What unlearning left of the model's use: accuracy ratios and the tug of war."""

from typing import Literal

import numpy as np

from lethe.evaluator.metrics.pool import Floats, Pool


def accuracy_ratio(unlearned: Pool, retrained: Pool, *, kind: Literal["retain", "test"], cap: bool) -> float:
    """Mean accuracy over the runs divided by that over the oracles, ≥ 0.

    With `cap` at most 1, so that nobody is paid for training on more data than the oracles saw. 1 where neither pool
    has the accuracies or the oracles' mean is zero. Raises ValueError when only one pool has the accuracies.
    """
    ours, theirs = _accuracy(unlearned, kind), _accuracy(retrained, kind)
    if ours is None and theirs is None:
        return 1.0
    if ours is None or theirs is None:
        raise ValueError(f"{kind} accuracies are given for one pool only; give both or neither")
    reference = float(theirs.mean())
    if reference == 0:
        return 1.0
    ratio = float(ours.mean()) / reference
    return min(1.0, ratio) if cap else ratio


def tug_of_war(unlearned: Pool, retrained: Pool) -> float:
    """Π (1 − |Δ|) over the mean forget, retain and test accuracies, in [0, 1]; 1 means equal to the oracles.

    Zhao et al., "What makes unlearning hard and what to do about it" (2024), ToW. Raises ValueError when either pool
    lacks one of the three accuracies.
    """
    product = 1.0
    for kind in ("forget", "retain", "test"):
        ours, theirs = _accuracy(unlearned, kind), _accuracy(retrained, kind)
        if ours is None or theirs is None:
            raise ValueError(f"the tug of war needs {kind} accuracies of both pools")
        product *= 1 - abs(float(np.mean(ours)) - float(np.mean(theirs)))
    return product


def _accuracy(pool: Pool, kind: str) -> Floats | None:
    values: Floats | None = getattr(pool, f"{kind}_accuracy")
    return values
