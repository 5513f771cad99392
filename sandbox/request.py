"""The request of a run, and its encoding for the guest."""

import json
import struct
from dataclasses import dataclass
from typing import Protocol

from lethe.sandbox.policy import Allowance


class Cancellation(Protocol):
    """Tells whether a run is no longer wanted; a threading.Event does."""

    def is_set(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Request:
    """One call of a submission. Source and seed go to the forked guest alone, never to the zygote."""

    source: bytes
    filename: str
    function: str
    seed: int
    cancel: Cancellation | None
    allowance: Allowance | None = None
    gpu: int | None = None
    entry: str = "run"
    """The function of the harness that the guest calls."""

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 2**63:
            raise ValueError("seed must be in [0, 2**63)")

    def encoded(self) -> bytes:
        header = {
            "filename": self.filename,
            "function": self.function,
            "entry": self.entry,
            "seed": self.seed,
            "source_bytes": len(self.source),
        }
        text = json.dumps(header).encode("ascii")
        return struct.pack("!I", len(text)) + text + self.source
