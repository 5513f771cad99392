"""Pools of models in one NPZ file, as `lethe score` reads them and exports have them."""

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lethe.evaluator.errors import EvaluatorError
from lethe.evaluator.metrics.diagnostics import non_finite_outputs
from lethe.evaluator.metrics.logits import margins
from lethe.evaluator.metrics.pool import Pool

POOLS = ("unlearned", "retrained", "ceiling")
ACCURACIES = ("retain_accuracy", "test_accuracy")
KNOWN = {*POOLS, "labels", "identities", *(f"{pool}_{kind}" for pool in POOLS for kind in ACCURACIES)}


class PoolsFileError(EvaluatorError, ValueError):
    """The file cannot be scored; the message names the file, says why and what to change."""


@dataclass(frozen=True, eq=False)
class StoredPools:
    """What a file contains. `ceiling` is a second pool of oracles; `identities` (E,) the person on each forget image.

    `ignored` names the arrays that nothing is known about.
    """

    unlearned: Pool
    retrained: Pool
    ceiling: Pool | None
    identities: NDArray[np.generic] | None
    ignored: tuple[str, ...]


def read_pools(file: Path | str) -> StoredPools:
    """Return the pools in an NPZ file; raises PoolsFileError unless it has the required arrays.

    `unlearned` and `retrained`: margins (N, E), or logits (N, E, C) with `labels` (E,). Optional: `ceiling` in the same
    form, `identities` (E,), and accuracies (N,) named like `unlearned_retain_accuracy` or `retrained_test_accuracy`.
    """
    arrays = _read_arrays(file)
    missing = [name for name in ("unlearned", "retrained") if name not in arrays]
    if missing:
        found = ", ".join(sorted(arrays)) or "nothing"
        raise PoolsFileError(f"{file}: no array {' or '.join(missing)}; it contains {found}")
    try:
        return StoredPools(
            unlearned=_pool("unlearned", arrays),
            retrained=_pool("retrained", arrays),
            ceiling=_pool("ceiling", arrays) if "ceiling" in arrays else None,
            identities=arrays.get("identities"),
            ignored=tuple(sorted(set(arrays) - KNOWN)),
        )
    except ValueError as error:
        raise PoolsFileError(f"{file}: {error}") from error


def _read_arrays(file: Path | str) -> dict[str, NDArray[Any]]:
    try:
        with Path(file).open("rb") as stream:
            archive = np.load(stream, allow_pickle=False)
            if not isinstance(archive, np.ndarray):
                return {name: archive[name] for name in archive.files}
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise PoolsFileError(f"{file}: not a readable .npz archive of plain arrays ({error})") from error
    raise PoolsFileError(f"{file}: this is a single array; save both pools with numpy.savez")


def _pool(name: str, arrays: Mapping[str, NDArray[Any]]) -> Pool:
    values = arrays[name]
    if values.dtype.kind not in "fiu":
        raise ValueError(f"{name} must contain numbers, not {values.dtype}")
    if values.ndim not in (2, 3):
        raise ValueError(
            f"{name} must contain margins (runs, examples) or logits (runs, examples, classes), not {values.shape}"
        )
    broken = non_finite_outputs(values)
    if broken is not None:
        raise ValueError(
            f"{name}: {broken.message} Such a pool has no score: find out why they diverged. If you leave them "
            "out, the score is of the other runs only, and must say so."
        )
    if values.ndim == 3:
        if "labels" not in arrays:
            raise ValueError(f"{name} contains logits; add `labels` (E,), the true class of each example")
        values = margins(values, arrays["labels"])
    return Pool(margins=values, **{kind: arrays.get(f"{name}_{kind}") for kind in ACCURACIES})
