"""Pools of models in NPZ files, as `lethe score` reads them, and as exports and `lethe evidence` write them."""

import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lethe.evaluator.errors import EvaluatorError
from lethe.evaluator.metrics.diagnostics import non_finite_outputs
from lethe.evaluator.metrics.logits import QUANTITIES, Quantity
from lethe.evaluator.metrics.pool import Pool
from lethe.evaluator.metrics.quality import Rule

POOLS = ("unlearned", "retrained", "ceiling")
ACCURACIES = ("retain_accuracy", "test_accuracy", "forget_accuracy")
RULES: tuple[Rule, ...] = ("exact", "competition")
OF_A_SCORE = ("labels", "identities", "rule", "cap_ratios", "part")
PART_CHARS = 120
KNOWN = {*POOLS, *OF_A_SCORE, *(f"{pool}_{kind}" for pool in POOLS for kind in ACCURACIES)}
# What a host's export has besides, which no score needs.
EXPORTED_PARTS = ("test", "retain", "flipped", "jittered", "validation_accuracy")
EXPORTED = {
    "copied",
    "original",
    *(f"original_{kind}" for kind in ACCURACIES),
    *(f"{part}_{kind}" for part in ("test", "retain") for kind in ("labels", "identities")),
    *(f"{pool}_{part}" for pool in (*POOLS, "original") for part in EXPORTED_PARTS),
}

Array = NDArray[np.generic]


class PoolsFileError(EvaluatorError, ValueError):
    """The file cannot be scored; the message names the file, says why and what to change."""


@dataclass(frozen=True, eq=False)
class StoredPools:
    """What a file contains. `ceiling` is a second pool of oracles; `identities` (E,) the person on each forget image.

    `rule` and `cap_ratios` are those of the score that the file was written for, None where it names none. `ignored`
    names the arrays that nothing is known about. `part` says which part of a score over several tasks or originals the
    file is of; empty: all of a score.
    """

    unlearned: Pool
    retrained: Pool
    ceiling: Pool | None
    identities: NDArray[np.generic] | None
    ignored: tuple[str, ...]
    rule: Rule | None = None
    cap_ratios: bool | None = None
    part: str = ""


def read_pools(file: Path | str, *more: Path | str, quantity: Quantity = "margin") -> StoredPools:
    """Return the pools in an NPZ file, or in several that together have the arrays.

    `unlearned` and `retrained`: margins (N, E), or logits (N, E, C) with `labels` (E,). Optional: `ceiling` in the same
    form, `identities` (E,), accuracies (N,) named like `unlearned_retain_accuracy` or `retrained_test_accuracy`, and
    `rule`, `cap_ratios` and `part`, a text, a truth value and a text. `quantity` says what the attacks see of logits:
    the margin, the `loss` (cross-entropy) or the `logit` of the true class; the pools' `margins` then are that. Raises
    PoolsFileError for files without the required arrays, for two files that disagree on one, and for a quantity other
    than the margin of a file that has margins only.
    """
    files = (file, *more)
    names, arrays = _united(files)
    where = " and ".join(map(str, files))
    missing = [name for name in ("unlearned", "retrained") if name not in arrays]
    if missing:
        found = ", ".join(sorted(names)) or "nothing"
        raise PoolsFileError(f"{where}: no array {' or '.join(missing)}; it contains {found}")
    _require_equal_accuracies(arrays, where)
    try:
        return StoredPools(
            unlearned=_pool("unlearned", arrays, quantity),
            retrained=_pool("retrained", arrays, quantity),
            ceiling=_pool("ceiling", arrays, quantity) if "ceiling" in arrays else None,
            identities=arrays.get("identities"),
            ignored=tuple(sorted(names - KNOWN - EXPORTED)),
            rule=_rule(arrays),
            cap_ratios=_cap_ratios(arrays),
            part=_part(arrays),
        )
    except ValueError as error:
        raise PoolsFileError(f"{where}: {error}") from error


def write_pools(
    stream: IO[bytes],
    *,
    unlearned: Pool,
    retrained: Pool,
    ceiling: Pool,
    labels: ArrayLike,
    identities: ArrayLike,
    rule: Rule,
    cap_ratios: bool,
    part: str = "",
) -> None:
    """Write an NPZ file from which `read_pools` returns the same pools, and `lethe score` computes the same score.

    Margins are (N, E) float64 as they are, to the bit; `labels` and `identities`: (E,). Equal pools give equal bytes.
    """
    pools = {"unlearned": unlearned, "retrained": retrained, "ceiling": ceiling}

    def arrays() -> Iterator[tuple[str, Array]]:
        yield "rule", np.array(rule)
        yield "cap_ratios", np.array(cap_ratios)
        if part:
            yield "part", np.array(part)
        yield "labels", np.asarray(labels)
        yield "identities", np.asarray(identities)
        for name, pool in pools.items():
            yield name, pool.margins
            for kind in ACCURACIES:
                value = getattr(pool, kind)
                if value is not None:
                    yield f"{name}_{kind}", value

    write_arrays(stream, arrays())


def write_arrays(stream: IO[bytes], arrays: Iterable[tuple[str, Array]]) -> None:
    """Write an NPZ file as `numpy.savez` does, one array after the other, so that one is in memory at a time."""
    with zipfile.ZipFile(stream, "w") as archive:
        for name, values in arrays:
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, values, allow_pickle=False)


def _united(files: Iterable[Path | str]) -> tuple[set[str], dict[str, NDArray[Any]]]:
    """Return the names of all arrays, and the arrays that a score needs."""
    names: set[str] = set()
    united: dict[str, NDArray[Any]] = {}
    for file in files:
        found, arrays = _read_arrays(file)
        names |= found
        for name, values in arrays.items():
            if name in united and not np.array_equal(united[name], values):
                raise PoolsFileError(f"{file}: its {name} is not that of the files before it; give each array once")
            united[name] = values
    return names, united


def _read_arrays(file: Path | str) -> tuple[set[str], dict[str, NDArray[Any]]]:
    try:
        with Path(file).open("rb") as stream:
            archive = np.load(stream, allow_pickle=False)
            if not isinstance(archive, np.ndarray):
                return set(archive.files), {name: archive[name] for name in archive.files if name in KNOWN}
    except zipfile.BadZipFile as error:
        raise PoolsFileError(f"{file}: damaged, or not whole ({error}); save or copy it again") from error
    except OSError as error:
        raise PoolsFileError(f"{file}: cannot be read ({error.strerror or error})") from error
    except (EOFError, ValueError) as error:  # what numpy says of these advises to load the file unsafely
        raise PoolsFileError(
            f"{file}: no .npz archive of plain numbers, as numpy.savez writes it of arrays of int or float"
        ) from error
    raise PoolsFileError(f"{file}: this is a single array; save both pools with numpy.savez")


def _require_equal_accuracies(arrays: Mapping[str, NDArray[Any]], where: str) -> None:
    """Raise PoolsFileError where some pools have the accuracies that the score is made of and others have not."""
    pools = [pool for pool in POOLS if pool in arrays]
    for kind in ("retain_accuracy", "test_accuracy"):
        names = [f"{pool}_{kind}" for pool in pools]
        missing = [name for name in names if name not in arrays]
        if missing and len(missing) < len(names):
            has = " and ".join(name for name in names if name in arrays)
            raise PoolsFileError(f"{where}: has {has} but no {' and no '.join(missing)}; give all of them, or none")


def _rule(arrays: Mapping[str, NDArray[Any]]) -> Rule | None:
    if "rule" not in arrays:
        return None
    named = str(arrays["rule"])
    for rule in RULES:
        if named == rule:
            return rule
    raise ValueError(f"rule must be one of {', '.join(RULES)}, not {named[:40]!r}")


def _cap_ratios(arrays: Mapping[str, NDArray[Any]]) -> bool | None:
    if "cap_ratios" not in arrays:
        return None
    value = arrays["cap_ratios"]
    if value.shape != () or value.dtype != np.bool_:
        raise ValueError(f"cap_ratios must be one truth value, not {value.shape} {value.dtype}")
    return bool(value)


def _part(arrays: Mapping[str, NDArray[Any]]) -> str:
    if "part" not in arrays:
        return ""
    value = arrays["part"]
    if value.shape != () or value.dtype.kind != "U":
        raise ValueError(f"part must be one text, not {value.shape} {value.dtype}")
    return str(value)[:PART_CHARS]


def _pool(name: str, arrays: Mapping[str, NDArray[Any]], quantity: Quantity) -> Pool:
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
        values = QUANTITIES[quantity](values, arrays["labels"])
    elif quantity != "margin":
        raise ValueError(
            f"{name} contains margins (runs, examples), of which no {quantity} can be had; "
            "it needs logits (runs, examples, classes) with `labels`"
        )
    return Pool(margins=values, **{kind: arrays.get(f"{name}_{kind}") for kind in ACCURACIES})
