"""Decides the status of an ended run. The guest's own claim counts last."""

import json
import os
import signal
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from lethe.sandbox.cgroups import Usage
from lethe.sandbox.harmless_text import harmless
from lethe.sandbox.pipes import Reader
from lethe.sandbox.result import GuestError, RunResult, Status

_CLAIMABLE = frozenset(
    {
        Status.EXCEPTION,
        Status.EXIT,
        Status.IMPORT_ERROR,
        Status.NO_RESULT,
        Status.INVALID_RESULT,
        Status.OUT_OF_MEMORY,
        Status.PROCESS_LIMIT,
    }
)
_TEXT_LIMITS = {"type": 200, "message": 4_000, "traceback": 16_000}


class KillReason(Enum):
    """Why the host killed a run."""

    WALL = auto()
    TOTAL = auto()
    CPU = auto()
    MEMORY = auto()
    GPU_MEMORY = auto()
    CANCELLED = auto()
    PAYLOAD = auto()
    FLOOD = auto()


_KILLED: dict[KillReason, tuple[Status, str]] = {
    KillReason.WALL: (Status.TIMEOUT, "The run took longer than its wall-clock limit."),
    KillReason.TOTAL: (Status.TIMEOUT, "All runs together took longer than their wall-clock limit."),
    KillReason.CPU: (Status.TIMEOUT, "The run used more CPU time than its limit."),
    KillReason.MEMORY: (Status.OUT_OF_MEMORY, "The run used more memory than its limit."),
    KillReason.GPU_MEMORY: (Status.OUT_OF_MEMORY, "The run used more GPU memory than its limit."),
    KillReason.CANCELLED: (Status.CANCELLED, "The run was cancelled."),
    KillReason.PAYLOAD: (Status.OUTPUT_LIMIT, "The result is larger than the limit."),
    KillReason.FLOOD: (Status.OUTPUT_LIMIT, "The run kept printing long after its log was full."),
}


@dataclass(frozen=True, slots=True)
class EndedRun:
    """Everything known about a run whose processes are all gone. `wait_status` None: the supervisor died, too."""

    wait_status: int | None
    killed: KillReason | None
    usage: Usage
    guest_cpu_s: float | None
    wall_s: float
    payload: Reader
    report: Reader
    stdout: Reader
    stderr: Reader
    source_lines: int
    waited_s: float | None = None
    peak_gpu_memory_bytes: int | None = None


def judge(run: EndedRun) -> RunResult:
    """The result of a run. What the host and the kernel saw outranks the guest's report."""
    status, error = _judge_status(run)
    cpu_s = run.usage.cpu_s if run.usage.cpu_s is not None else run.guest_cpu_s
    return RunResult(
        status=status,
        payload=bytes(run.payload.kept) if status is Status.OK else None,
        error=error,
        stdout=run.stdout.text(),
        stderr=run.stderr.text(),
        stdout_truncated=run.stdout.truncated,
        stderr_truncated=run.stderr.truncated,
        wall_s=run.wall_s,
        cpu_s=cpu_s,
        peak_memory_bytes=run.usage.peak_memory_bytes,
        peak_gpu_memory_bytes=run.peak_gpu_memory_bytes,
        waited_s=run.waited_s,
    )


def _judge_status(run: EndedRun) -> tuple[Status, GuestError | None]:
    if run.killed is not None:
        # The clock stops a fork bomb, but its fault is the number of processes.
        if run.killed in (KillReason.WALL, KillReason.TOTAL, KillReason.CPU) and run.usage.process_hits:
            return Status.PROCESS_LIMIT, _plain("The run met its limit of processes and threads and did not end.")
        status, text = _KILLED[run.killed]
        return status, _plain(text)
    if run.payload.truncated:
        status, text = _KILLED[KillReason.PAYLOAD]
        return status, _plain(text)
    if run.usage.memory_hits or run.wait_status is None:
        status, text = _KILLED[KillReason.MEMORY]
        return status, _plain(text)
    claim = _claim_of(run.report)
    ended_well = os.waitstatus_to_exitcode(run.wait_status) == 0
    if ended_well and claim.get("status") == Status.OK and claim.get("payload_bytes") == len(run.payload.kept):
        return Status.OK, None
    if os.WIFSIGNALED(run.wait_status):
        return _judge_signal(os.WTERMSIG(run.wait_status), run)
    if claim.get("status") in _CLAIMABLE:
        return Status(claim["status"]), _error_of(claim, run.source_lines)
    code = os.waitstatus_to_exitcode(run.wait_status)
    if run.usage.process_hits:
        return Status.PROCESS_LIMIT, _plain("The run met its limit of processes and threads and ended.")
    return Status.EXIT, _plain(f"The process ended with exit code {code} before there was a result.")


def _judge_signal(number: int, run: EndedRun) -> tuple[Status, GuestError]:
    if number == signal.SIGXCPU:
        return Status.TIMEOUT, _plain(_KILLED[KillReason.CPU][1])
    if run.usage.process_hits:
        return Status.PROCESS_LIMIT, _plain("The run met its limit of processes and threads and was killed.")
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    return Status.KILLED, _plain(f"The run was killed by {name}.", kind=name)


def _claim_of(report: Reader) -> dict[str, Any]:
    """The guest's report, or an empty one when guest.py cannot have written it."""
    if report.truncated:
        return {}
    try:
        claim = json.loads(report.kept)
    except (ValueError, RecursionError):
        return {}
    return claim if isinstance(claim, dict) and isinstance(claim.get("status"), str) else {}


def _error_of(claim: dict[str, Any], source_lines: int) -> GuestError:
    texts = {name: _text(claim.get(name), limit) for name, limit in _TEXT_LIMITS.items()}
    line = claim.get("line")
    return GuestError(
        type=texts["type"],
        message=texts["message"],
        # Only a line that the file has: callers show this number even where they show nothing else of a run.
        line=line if isinstance(line, int) and not isinstance(line, bool) and 0 < line <= source_lines else None,
        traceback=texts["traceback"],
    )


def _text(value: object, limit: int) -> str:
    """`value`, cut and made harmless; empty when it is no text."""
    return harmless(value[:limit]) if isinstance(value, str) else ""


def _plain(message: str, kind: str = "") -> GuestError:
    return GuestError(type=kind, message=message, line=None, traceback="")
