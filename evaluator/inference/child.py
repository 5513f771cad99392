"""Loads claimed weights into a clean network, checks them, computes outputs or audits. Trusted code on hostile data.

Reads framed requests on standard input and answers framed replies on a duplicate of standard output, until its parent
closes the pipe or kills it.
"""

import json
import os
import resource
import struct
import sys
import time
from pathlib import Path
from typing import BinaryIO

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from lethe.evaluator.artifacts.outputs import write_outputs
from lethe.evaluator.contract.audits import AuditRecord
from lethe.evaluator.contract.faults import FaultCode
from lethe.evaluator.inference.audit_order import AuditOrder
from lethe.evaluator.inference.claims import ClaimRefused, read_claimed_state
from lethe.evaluator.models import build_model
from lethe.evaluator.training.outputs import compute_outputs


def outputs_of(payload: bytes, net: nn.Module, evaluation: dict[str, Tensor], batch_size: int) -> bytes:
    """Safetensors bytes of the outputs of `net` with the claimed weights; raises ClaimRefused."""
    net.load_state_dict(read_claimed_state(payload, net))
    outputs = compute_outputs(net, evaluation, batch_size)
    if not outputs.finite:
        raise ClaimRefused(FaultCode.NOT_FINITE, "the weights are finite, but the network's outputs are not")
    return write_outputs(outputs)


def audit_of(payload: bytes, order: AuditOrder) -> bytes:
    """JSON of the audit of a network of its own with the claimed weights; see AuditRecord."""
    from lethe.evaluator.inference.audit import audit_network  # imports scipy, which outputs do not need

    started = time.monotonic()
    network = build_model(order.plan.architecture, order.plan.classes)
    network.load_state_dict(read_claimed_state(payload, network))
    quantities, missing = audit_network(network, order)
    record = AuditRecord(place=order.place, quantities=quantities, missing=missing, wall_s=time.monotonic() - started)
    return record.model_dump_json().encode()


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
    """Serve requests: a JSON frame with the setting, or with an order for an audit, then a frame with the weights."""
    memory_bytes = int(sys.argv[1])
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # keeps the output of libraries out of the frames
    torch.set_num_threads(1)
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    # Memory has hidden data, and with 0, a core_pattern that is a pipe would get a core file.
    resource.setrlimit(resource.RLIMIT_CORE, (1, 1))
    write_frame(replies, b"ready")
    loaded: tuple[tuple[str, str], nn.Module, dict[str, Tensor]] | None = None
    while (header := read_frame(sys.stdin.buffer)) is not None:
        payload = read_frame(sys.stdin.buffer)
        assert payload is not None  # noqa: S101 - the parent always sends both
        setting = json.loads(header)
        if "plan" in setting:
            audit = audit_of(payload, AuditOrder.model_validate(setting))  # before the answer begins: it takes long
            write_frame(replies, json.dumps({"code": None, "message": ""}).encode())
            write_frame(replies, audit)
            continue
        wanted = (setting["architecture"], setting["evaluation"])  # competitions may have the same images
        if loaded is None or loaded[0] != wanted:
            net = build_model(setting["architecture"], setting["classes"])
            loaded = (wanted, net, load_file(Path(setting["evaluation"])))
        code: FaultCode | None = None
        message, outputs = "", b""
        try:
            outputs = outputs_of(payload, loaded[1], loaded[2], setting["batch_size"])
        except ClaimRefused as refusal:
            code, message = refusal.code, str(refusal)
        except MemoryError:
            code, message = FaultCode.OUT_OF_MEMORY, "the network's outputs need too much memory"
        write_frame(replies, json.dumps({"code": code, "message": message}).encode())
        write_frame(replies, outputs)


if __name__ == "__main__":
    main()
