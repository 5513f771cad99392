"""Turns the bytes that a run left into a state dict of the original architecture, or refuses them with a reason.

The header is read and compared first, with limits: a library that builds tensors from hostile headers spends minutes on
a million empty ones, or crashes on shapes that overflow.
"""

import json
import struct
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from lethe.evaluator.contract.faults import FaultCode
from lethe.evaluator.errors import EvaluatorError

HEADER_LIMIT_BYTES = 1 << 20  # a hundred bytes a tensor, so ten thousand tensors
_DTYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
_SHOWN_CHARS = 80


class ClaimRefused(EvaluatorError):
    """The weights are not acceptable; the participant's fault."""

    def __init__(self, code: FaultCode, message: str) -> None:
        super().__init__(message)
        self.code = code


def read_claimed_state(payload: bytes, net: nn.Module) -> dict[str, Tensor]:
    """The claimed state dict, with the names, shapes and dtypes of `net` and finite values. Raises ClaimRefused."""
    expected = net.state_dict()
    _compare(_read_header(payload), expected)
    try:
        state = load(payload)
    except (SafetensorError, ValueError) as error:
        raise ClaimRefused(FaultCode.INVALID_RESULT, "the result is not a safetensors file") from error
    for name, tensor in state.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise ClaimRefused(FaultCode.NOT_FINITE, f"{name} has NaN or infinite values")
    return state


def _read_header(payload: bytes) -> dict[str, Any]:
    """The header's entries by tensor name. Raises ClaimRefused if it is too long, no JSON object or ambiguous."""
    size = struct.unpack_from("<Q", payload)[0] if len(payload) >= 8 else 0
    if not 0 < size <= len(payload) - 8:
        raise ClaimRefused(FaultCode.INVALID_RESULT, "the result is not a safetensors file")
    if size > HEADER_LIMIT_BYTES:
        raise ClaimRefused(
            FaultCode.INVALID_RESULT, f"the result's header has {size} bytes, {HEADER_LIMIT_BYTES} at most"
        )
    try:
        header = json.loads(payload[8 : 8 + size].decode(), object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError) as error:
        raise ClaimRefused(FaultCode.INVALID_RESULT, "the result's header is not valid JSON") from error
    if not isinstance(header, dict):
        raise ClaimRefused(FaultCode.INVALID_RESULT, "the result's header is not a JSON object")
    header.pop("__metadata__", None)
    return header


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


def _compare(header: dict[str, Any], expected: dict[str, Tensor]) -> None:
    missing, unexpected = sorted(set(expected) - set(header)), sorted(set(header) - set(expected))
    if missing or unexpected:
        parts = [f"{word} {_names(names)}" for word, names in (("lacks", missing), ("adds", unexpected)) if names]
        raise ClaimRefused(FaultCode.WRONG_ARCHITECTURE, f"the state dict {' and '.join(parts)}")
    for name, original in expected.items():
        entry = header[name]
        shape, dtype = (entry.get("shape"), entry.get("dtype")) if isinstance(entry, dict) else (None, None)
        if shape != list(original.shape):
            message = f"{name} has the shape {_short(shape)}, not {list(original.shape)}"
            raise ClaimRefused(FaultCode.WRONG_ARCHITECTURE, message)
        if dtype != _DTYPES[original.dtype]:
            message = f"{name} is of type {_short(dtype)}, not {_DTYPES[original.dtype]}"
            raise ClaimRefused(FaultCode.WRONG_ARCHITECTURE, message)


def _names(names: list[str]) -> str:
    shown = ", ".join(_short(name) for name in names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"


def _short(value: object) -> str:
    """`value` for a message: quoted, in ASCII, cut to length."""
    text = ascii(value)
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"
