"""The child: loads claimed weights into a clean network, checks them and computes outputs. Trusted code, hostile data.

Reads framed requests on standard input and answers framed replies on a duplicate of standard output, until its parent
closes the pipe or kills it.
"""

import json
import os
import resource
import struct
import sys
from pathlib import Path
from typing import BinaryIO

import torch
from safetensors import SafetensorError
from safetensors.torch import load, load_file
from torch import Tensor, nn

from evaluator.artifacts.outputs import write_outputs
from evaluator.contract.faults import FaultCode
from evaluator.models import build_model
from evaluator.training.outputs import compute_outputs


class Refused(Exception):
    """The weights are not acceptable; the participant's fault."""

    def __init__(self, code: FaultCode, message: str) -> None:
        super().__init__(message)
        self.code = code


def outputs_of(payload: bytes, net: nn.Module, evaluation: dict[str, Tensor], batch_size: int) -> bytes:
    """Safetensors bytes of the outputs of `net` with the claimed weights; raises Refused."""
    net.load_state_dict(checked_state(payload, net))
    outputs = compute_outputs(net, evaluation, batch_size)
    if not outputs.finite:
        raise Refused(FaultCode.NOT_FINITE, "the weights are finite, but the network's outputs are not")
    return write_outputs(outputs)


def checked_state(payload: bytes, net: nn.Module) -> dict[str, Tensor]:
    """The claimed state dict if names, shapes, kinds and finiteness fit the original architecture; raises Refused."""
    try:
        state = load(payload)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise Refused(FaultCode.INVALID_RESULT, "the result is not a safetensors file") from error
    expected = net.state_dict()
    missing, unexpected = sorted(set(expected) - set(state)), sorted(set(state) - set(expected))
    if missing or unexpected:
        parts = [f"{word} {_names(names)}" for word, names in (("lacks", missing), ("adds", unexpected)) if names]
        raise Refused(FaultCode.WRONG_ARCHITECTURE, f"the state dict {' and '.join(parts)}")
    for name, tensor in state.items():
        original = expected[name]
        if tensor.shape != original.shape:
            message = f"{name} has the shape {tuple(tensor.shape)}, not {tuple(original.shape)}"
            raise Refused(FaultCode.WRONG_ARCHITECTURE, message)
        if tensor.is_floating_point() != original.is_floating_point() or tensor.is_complex():
            raise Refused(FaultCode.WRONG_ARCHITECTURE, f"{name} is {tensor.dtype}, not {original.dtype}")
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise Refused(FaultCode.NOT_FINITE, f"{name} has NaN or infinite values")
    return state


def _names(names: list[str]) -> str:
    shown = ", ".join(repr(name[:80]) for name in names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"


def read_frame(stream: BinaryIO) -> bytes | None:
    """The next length-prefixed frame, or None at the end."""
    head = stream.read(8)
    if len(head) < 8:
        return None
    return stream.read(struct.unpack("!Q", head)[0])


def write_frame(stream: BinaryIO, data: bytes) -> None:
    """Send `data` behind its length."""
    stream.write(struct.pack("!Q", len(data)))
    stream.write(data)
    stream.flush()


def main() -> None:
    """Serve requests: a JSON frame that names the setting, then a frame with the claimed weights."""
    memory_bytes = int(sys.argv[1])
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not get among the frames
    torch.set_num_threads(1)
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    write_frame(replies, b"ready")
    loaded: tuple[str, nn.Module, dict[str, Tensor]] | None = None
    while (header := read_frame(sys.stdin.buffer)) is not None:
        payload = read_frame(sys.stdin.buffer)
        assert payload is not None  # noqa: S101 - the parent always sends both
        setting = json.loads(header)
        if loaded is None or loaded[0] != setting["evaluation"]:
            net = build_model(setting["architecture"], setting["classes"])
            loaded = (setting["evaluation"], net, load_file(Path(setting["evaluation"])))
        code: FaultCode | None = None
        message, outputs = "", b""
        try:
            outputs = outputs_of(payload, loaded[1], loaded[2], setting["batch_size"])
        except Refused as refusal:
            code, message = refusal.code, str(refusal)
        except MemoryError:
            code, message = FaultCode.OUT_OF_MEMORY, "the network's outputs need too much memory"
        write_frame(replies, json.dumps({"code": code, "message": message}).encode())
        write_frame(replies, outputs)


if __name__ == "__main__":
    main()
