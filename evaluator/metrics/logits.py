"""Margins, losses and true logits: the one scalar per run and example that the attacks see."""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Quantity = Literal["margin", "loss", "logit"]
"""What the attacks may see: the margin, as in every score of a server, the cross-entropy, or the true class's logit."""

_TINY = 1e-45
_CHUNK_BYTES = 8 * 2**20


def margins(logits: ArrayLike, labels: ArrayLike) -> NDArray[np.float64]:
    """(N, E) float64 log-odds of the true class, log p − log(1 − p), within ±103.6.

    `logits`: (N, E, C) float32, C ≥ 2; `labels`: (E,) int in [0, C). The exponential is taken in the logits' own
    dtype (float64 stays, anything else becomes float32), all that follows in float64, and 1e-45 is added to both
    probabilities, so that a saturated softmax stays finite. Convention of the 2023 challenge's evaluation code.
    An empty axis N or E gives an empty result. Raises ValueError on wrong shapes, labels or non-finite logits.
    """
    scores, classes = _checked(logits, labels)
    result = np.empty(scores.shape[:2])
    for rows, weights in _softmax_weights(scores):
        total = weights.sum(axis=-1)
        column = classes[None, :, None]
        true = np.take_along_axis(weights, column, axis=-1)[..., 0]
        # The wrong classes are summed rather than subtracted from one: 1 − p loses every digit near p = 1.
        np.put_along_axis(weights, np.broadcast_to(column, (*true.shape, 1)), 0.0, axis=-1)
        result[rows] = np.log(true / total + _TINY) - np.log(weights.sum(axis=-1) / total + _TINY)
    return result


def cross_entropy(logits: ArrayLike, labels: ArrayLike) -> NDArray[np.float64]:
    """(N, E) float64 losses −log p of the true class, in nats, ≥ 0; arguments and errors as for `margins`."""
    scores, classes = _checked(logits, labels)
    true = np.take_along_axis(scores, classes[None, :, None], axis=-1)[..., 0].astype(np.float64)
    result = np.empty(scores.shape[:2])
    for rows, weights in _softmax_weights(scores):
        # Relative to the largest logit the sum of weights is at least one, so the logarithm is safe.
        result[rows] = np.log(weights.sum(axis=-1)) + (scores[rows].max(axis=-1) - true[rows])
    return result


def true_logits(logits: ArrayLike, labels: ArrayLike) -> NDArray[np.float64]:
    """(N, E) float64 logits of the true class, in the logits' own unit; arguments and errors as for `margins`."""
    scores, classes = _checked(logits, labels)
    return np.take_along_axis(scores, classes[None, :, None], axis=-1)[..., 0].astype(np.float64)


QUANTITIES: Mapping[Quantity, Callable[[ArrayLike, ArrayLike], NDArray[np.float64]]] = MappingProxyType(
    {"margin": margins, "loss": cross_entropy, "logit": true_logits}
)


def _checked(logits: ArrayLike, labels: ArrayLike) -> tuple[NDArray[np.floating], NDArray[np.intp]]:
    scores = np.asarray(logits)
    if scores.dtype != np.float64:
        scores = scores.astype(np.float32, copy=False)
    classes = np.asarray(labels)
    if scores.ndim != 3 or scores.shape[2] < 2:
        raise ValueError(f"logits must have the shape (runs, examples, classes ≥ 2), not {scores.shape}")
    if classes.shape != scores.shape[1:2]:
        raise ValueError(f"labels must have the shape ({scores.shape[1]},), not {classes.shape}")
    if not np.issubdtype(classes.dtype, np.integer):
        raise ValueError(f"labels must be integers, not {classes.dtype}")
    if classes.size and (classes.min() < 0 or classes.max() >= scores.shape[2]):
        raise ValueError(f"labels must lie in [0, {scores.shape[2]})")
    if not np.isfinite(scores).all():
        raise ValueError("logits must be finite; they hold NaN or infinite values")
    return scores, classes.astype(np.intp)


def _softmax_weights(scores: NDArray[np.floating]) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Blocks of runs with exp(logits − max), rounded in the logits' dtype and returned as float64."""
    runs, examples, classes = scores.shape
    step = max(1, _CHUNK_BYTES // max(1, examples * classes * 8))
    for start in range(0, runs, step):
        rows = slice(start, start + step)
        block = scores[rows]
        with np.errstate(over="ignore", under="ignore"):  # a hopeless class has weight zero
            weights = np.exp(block - block.max(axis=-1, keepdims=True))
        yield rows, weights.astype(np.float64)
