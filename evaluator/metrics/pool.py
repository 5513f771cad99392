"""What the metric takes: a pool of runs or oracles with its margins and accuracies."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MIN_RUNS = 8

_FIELDS = ("margins", "retain_accuracy", "test_accuracy", "forget_accuracy")

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Pool:
    """N models seen through their outputs on E forget examples.

    `margins`: (N, E) float64, finite, E ≥ 1. The accuracies are (N,) float64 in [0, 1], one per model, or None where
    nobody measured them. Arrays are converted to float64 and made read-only. Raises ValueError on anything else.
    """

    margins: Floats
    retain_accuracy: Floats | None = None
    test_accuracy: Floats | None = None
    forget_accuracy: Floats | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "margins", checked_margins(self.margins))
        for name in _FIELDS[1:]:
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, _checked_accuracy(name, value, len(self)))

    def __len__(self) -> int:
        return int(self.margins.shape[0])

    @property
    def examples(self) -> int:
        """E, the number of forget examples."""
        return int(self.margins.shape[1])

    def take(self, rows: NDArray[np.intp]) -> "Pool":
        """The pool of these models only, in this order."""
        values: dict[str, Any] = {}
        for name in _FIELDS:
            value = getattr(self, name)
            values[name] = None if value is None else value[rows]
        return Pool(**values)

    def joined(self, other: "Pool") -> "Pool":
        """This pool's models followed by the other's; raises ValueError when they know different things."""
        values: dict[str, Any] = {}
        for name in _FIELDS:
            ours, theirs = getattr(self, name), getattr(other, name)
            if (ours is None) != (theirs is None):
                raise ValueError(f"{name} is given for one pool only; give both or neither")
            values[name] = None if ours is None else np.concatenate((ours, theirs))
        return Pool(**values)


def checked_margins(values: object) -> Floats:
    """`values` as a read-only (N, E) float64 array; raises ValueError when it is empty, not 2-D or not finite."""
    array = np.array(values, dtype=np.float64, order="C")
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(f"margins must have the shape (runs, examples), both at least 1, not {array.shape}")
    finite = np.isfinite(array).all(axis=1)
    if not finite.all():
        run = int(np.flatnonzero(~finite)[0])
        raise ValueError(f"margins must be finite; {int((~finite).sum())} runs are not, the first is run {run}")
    array.setflags(write=False)
    return array


def checked_pair(unlearned: object, retrained: object) -> tuple[Floats, Floats]:
    """Two margin arrays over the same examples; raises ValueError otherwise."""
    ours, theirs = checked_margins(unlearned), checked_margins(retrained)
    if ours.shape[1] != theirs.shape[1]:
        raise ValueError(
            f"unlearned has {ours.shape[1]} examples and retrained {theirs.shape[1]}; both need the same examples"
        )
    return ours, theirs


def _checked_accuracy(name: str, value: object, runs: int) -> Floats:
    array = np.array(value, dtype=np.float64)
    if array.shape != (runs,):
        raise ValueError(f"{name} must have the shape ({runs},), one per run, not {array.shape}")
    if not ((array >= 0) & (array <= 1)).all():
        raise ValueError(f"{name} must lie in [0, 1]")
    array.setflags(write=False)
    return array
