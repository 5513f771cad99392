"""The stored outputs of a model, oracle or run: its logits and accuracies as one safetensors artifact."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load, save

from lethe.evaluator.errors import EvaluatorError

LOGITS = ("forget", "test", "retain")
COPIES = ("flipped", "jittered")
ACCURACIES = ("retain", "forget", "validation", "test")


class OutputsInvalid(EvaluatorError, ValueError):
    """The bytes are not a model's outputs, or the outputs are not finite."""


@dataclass(frozen=True)
class Outputs:
    """One model in evaluation mode. Logits by part (`forget`, `test`, `retain`: the fixed retain sample): (examples,
    classes) float32; accuracies in [0, 1] by part (`retain`, `forget`, `validation`, `test`). `copies`: logits on
    changed copies of forget examples, by the kind of change; empty where the evaluation bundle has none.
    """

    logits: dict[str, NDArray[np.float32]]
    accuracy: dict[str, float]
    copies: dict[str, NDArray[np.float32]] = field(default_factory=dict)

    @property
    def finite(self) -> bool:
        """Whether every logit is a finite number."""
        return all(bool(np.isfinite(values).all()) for values in (*self.logits.values(), *self.copies.values()))


@dataclass(frozen=True)
class StackedOutputs:
    """The outputs of N models. Logits by part: (N, examples, classes) float32; accuracies by part: (N,) float64.
    `copies` as logits, of the kinds that every model has.
    """

    logits: dict[str, NDArray[np.float32]]
    accuracy: dict[str, NDArray[np.float64]]
    copies: dict[str, NDArray[np.float32]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.accuracy["test"])


def write_outputs(outputs: Outputs) -> bytes:
    """Safetensors bytes with `logits.<part>` and `copies.<kind>` (E, C) float32 and `accuracy.<part>` (1,) float64.

    Equal outputs give equal bytes, so they contain nothing that varies between repetitions (wall time, host).

    Raises OutputsInvalid when a part is missing or misshapen, a logit is not finite or an accuracy not in [0, 1].
    """
    _check(outputs)
    arrays: dict[str, NDArray[np.generic]] = {
        f"logits.{part}": np.ascontiguousarray(outputs.logits[part]) for part in LOGITS
    }
    arrays |= {f"copies.{kind}": np.ascontiguousarray(values) for kind, values in outputs.copies.items()}
    arrays |= {f"accuracy.{part}": np.array([outputs.accuracy[part]], dtype=np.float64) for part in ACCURACIES}
    return bytes(save(arrays, metadata={"lethe": json.dumps({"format": 1})}))


def read_outputs(data: bytes) -> Outputs:
    """The outputs in `data`; raises OutputsInvalid when `write_outputs` cannot have written it."""
    try:
        arrays = load(data)
        outputs = Outputs(
            logits={part: arrays[f"logits.{part}"] for part in LOGITS},
            accuracy={part: float(arrays[f"accuracy.{part}"].item()) for part in ACCURACIES},
            copies=_copies(arrays),
        )
    except (SafetensorError, KeyError, ValueError) as error:
        raise OutputsInvalid(f"not the outputs of a model: {error}") from error
    _check(outputs)
    return outputs


def stack_outputs(outputs: Sequence[Outputs]) -> StackedOutputs:
    """The outputs of N models along a new first axis, in the given order.

    Raises OutputsInvalid when there are none or their shapes differ, so that they are of different data.
    """
    if not outputs:
        raise OutputsInvalid("no outputs to stack")
    kinds = [kind for kind in COPIES if all(kind in one.copies for one in outputs)]
    parts = {f"logits.{part}": [one.logits[part] for one in outputs] for part in LOGITS}
    for name, values in (parts | {f"copies.{kind}": [one.copies[kind] for one in outputs] for kind in kinds}).items():
        shapes = {one.shape for one in values}
        if len(shapes) > 1:
            raise OutputsInvalid(f"{name} have different shapes: {sorted(shapes)}")
    return StackedOutputs(
        logits={part: np.stack([one.logits[part] for one in outputs]) for part in LOGITS},
        accuracy={part: np.array([one.accuracy[part] for one in outputs]) for part in ACCURACIES},
        copies={kind: np.stack([one.copies[kind] for one in outputs]) for kind in kinds},
    )


def first_of(stacked: StackedOutputs, count: int) -> StackedOutputs:
    """The first `count` models of `stacked`, or all where there are fewer."""
    return StackedOutputs(
        logits={part: values[:count] for part, values in stacked.logits.items()},
        accuracy={part: values[:count] for part, values in stacked.accuracy.items()},
        copies={kind: values[:count] for kind, values in stacked.copies.items()},
    )


def write_pack(stacked: StackedOutputs) -> bytes:
    """Safetensors bytes with `logits.<part>` and `copies.<kind>` (N, E, C) float32 and `accuracy.<part>` (N,) float64,
    bit for bit.

    Raises OutputsInvalid for what `read_pack` would refuse.
    """
    _check_stack(stacked)
    return bytes(save(pack_arrays(stacked), metadata={"lethe": json.dumps({"format": 1})}))


def pack_arrays(stacked: StackedOutputs) -> dict[str, NDArray[np.generic]]:
    """The arrays of a pack by their names, as `write_pack` stores them."""
    arrays: dict[str, NDArray[np.generic]] = {
        f"logits.{part}": np.ascontiguousarray(stacked.logits[part]) for part in LOGITS
    }
    arrays |= {f"copies.{kind}": np.ascontiguousarray(values) for kind, values in stacked.copies.items()}
    return arrays | {f"accuracy.{part}": np.ascontiguousarray(stacked.accuracy[part]) for part in ACCURACIES}


def array_names(path: Path) -> frozenset[str]:
    """The names of the arrays in a safetensors file; raises OutputsInvalid when it is none."""
    try:
        with safe_open(path, framework="numpy") as file:
            return frozenset(file.keys())
    except SafetensorError as error:
        raise OutputsInvalid(f"not a file of arrays: {error}") from error


def read_arrays(path: Path, names: Iterable[str] | None = None) -> Iterator[tuple[str, NDArray[np.generic]]]:
    """Yield the arrays called `names`, by default all, of a safetensors file, one after the other.

    Only the one that is yielded is read. Raises OutputsInvalid when the file has no such array or is none of these.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            for name in file.keys() if names is None else names:
                yield name, file.get_tensor(name)
    except SafetensorError as error:
        raise OutputsInvalid(f"not the arrays of a model's outputs: {error}") from error


def read_pack(data: bytes) -> StackedOutputs:
    """The stacked outputs in `data`; raises OutputsInvalid when `write_pack` cannot have written it."""
    try:
        arrays = load(data)
    except SafetensorError as error:
        raise OutputsInvalid(f"not the packed outputs of models: {error}") from error
    return unpack_arrays(arrays)


def unpack_arrays(arrays: Mapping[str, NDArray[Any]]) -> StackedOutputs:
    """The stacked outputs whose arrays `pack_arrays` named; raises OutputsInvalid when it cannot have been these."""
    try:
        stacked = StackedOutputs(
            logits={part: arrays[f"logits.{part}"] for part in LOGITS},
            accuracy={part: arrays[f"accuracy.{part}"] for part in ACCURACIES},
            copies=_copies(arrays),
        )
    except KeyError as error:
        raise OutputsInvalid(f"not the packed outputs of models: {error}") from error
    _check_stack(stacked)
    return stacked


def _copies(arrays: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
    return {kind: arrays[f"copies.{kind}"] for kind in COPIES if f"copies.{kind}" in arrays}


def _check_parts(outputs: Outputs | StackedOutputs) -> None:
    if set(outputs.logits) != set(LOGITS) or set(outputs.accuracy) != set(ACCURACIES):
        raise OutputsInvalid(f"parts must be logits of {LOGITS} and accuracies of {ACCURACIES}")
    if not set(outputs.copies) <= set(COPIES):
        raise OutputsInvalid(f"copies must be of {COPIES}, not {sorted(outputs.copies)}")


def _check_stack(stacked: StackedOutputs) -> None:
    _check_parts(stacked)
    logits = [*stacked.logits.values(), *stacked.copies.values()]
    arrays: list[NDArray[np.floating]] = [*logits, *stacked.accuracy.values()]
    dimensions = [values.ndim for values in arrays]
    if dimensions != [3] * len(logits) + [1] * len(ACCURACIES) or len({len(values) for values in arrays}) != 1:
        raise OutputsInvalid("logits must be (models, examples, classes) and accuracies (models,), of as many models")
    if len(arrays[0]) == 0:
        raise OutputsInvalid("no outputs to pack")
    if any(values.dtype != np.float32 for values in logits):
        raise OutputsInvalid("logits must be float32")
    if not all(bool(np.isfinite(values).all()) for values in arrays):
        raise OutputsInvalid("logits and accuracies must be finite")


def _check(outputs: Outputs) -> None:
    _check_parts(outputs)
    named = {f"logits.{part}": values for part, values in outputs.logits.items()}
    named |= {f"copies.{kind}": values for kind, values in outputs.copies.items()}
    for name, values in named.items():
        if values.dtype != np.float32 or values.ndim != 2:
            raise OutputsInvalid(f"{name} must be (examples, classes) float32, not {values.shape} {values.dtype}")
    if len({values.shape[1] for values in named.values()}) != 1:
        raise OutputsInvalid("all logits must have the same number of classes")
    if not outputs.finite:
        raise OutputsInvalid("logits must be finite")
    for part, value in outputs.accuracy.items():
        if not 0 <= value <= 1:
            raise OutputsInvalid(f"accuracy.{part} must lie between 0 and 1, not {value}")
