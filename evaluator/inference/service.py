"""The parent's side of inference: one child at a time, restarted when it takes too long or dies."""

import json
import logging
import os
import select
import struct
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Protocol, Self

from lethe.evaluator.child_environment import child_environment
from lethe.evaluator.contract.audits import AuditRecord
from lethe.evaluator.contract.faults import FaultCode
from lethe.evaluator.errors import EvaluatorError
from lethe.evaluator.inference.audit_order import AuditOrder

log = logging.getLogger(__name__)

START_LIMIT_S = 120.0
CANCEL_TICK_S = 0.25


class InferenceFailure(EvaluatorError):
    """The child did not start, or died for another reason than the weights: the platform's fault."""


class InferenceCancelled(EvaluatorError):
    """The caller no longer wants the outputs."""


class Cancellation(Protocol):
    """A signal that outputs are no longer wanted; a threading.Event is one."""

    def is_set(self) -> bool: ...


class WeightsRefused(EvaluatorError):
    """The claimed weights cannot be scored: the participant's fault, with its code."""

    def __init__(self, code: FaultCode, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class InferenceSetting:
    """The network and its data; `evaluation` is a local safetensors file of the trusted side."""

    architecture: str
    classes: int
    batch_size: int
    evaluation: Path


class InferenceService:
    """Computes outputs of claimed weights, and audits them; thread-safe, one model at a time.

    The child limits its own memory; `wall_s` bounds the outputs of one model. A time-out is the participant's fault:
    finite weights can be made slow on purpose (denormals).
    """

    def __init__(self, *, wall_s: float, memory_bytes: int = 8 * 2**30) -> None:
        self._wall_s = wall_s
        self._memory_bytes = memory_bytes
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._ready = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Start the child now, without waiting for it: importing torch takes seconds."""
        with self._lock:
            self._ensure_child()

    def close(self) -> None:
        """Kill the child."""
        with self._lock:
            self._kill()

    def compute(self, payload: bytes, setting: InferenceSetting, cancel: Cancellation) -> bytes:
        """Safetensors bytes of the outputs; raises WeightsRefused, or InferenceFailure for faults of the platform.

        Raises InferenceCancelled within half a second after `cancel` is set.
        """
        header = json.dumps(
            {
                "architecture": setting.architecture,
                "classes": setting.classes,
                "batch_size": setting.batch_size,
                "evaluation": str(setting.evaluation),
            }
        ).encode()
        try:
            reply, outputs = self._ask(header, payload, cancel, self._wall_s)
        except TimeoutError:
            raise WeightsRefused(
                FaultCode.EVALUATION_TIMEOUT, f"computing the outputs took more than {self._wall_s:.0f} s"
            ) from None
        if reply["code"] is not None:
            raise WeightsRefused(FaultCode(reply["code"]), reply["message"])
        return outputs

    def audit(self, payload: bytes, order: AuditOrder, cancel: Cancellation) -> AuditRecord:
        """The audit of accepted weights; one that fails or runs out of its time says why its quantities are missing.

        Raises InferenceCancelled within half a second after `cancel` is set.
        """
        started = time.monotonic()
        try:
            _, answer = self._ask(order.model_dump_json().encode(), payload, cancel, order.plan.wall_s)
        except TimeoutError:
            missing, wall_s = f"the audit took more than {order.plan.wall_s:g} s", order.plan.wall_s
        except InferenceFailure as error:
            missing, wall_s = str(error), time.monotonic() - started
        else:
            return AuditRecord.model_validate_json(answer)
        return AuditRecord(place=order.place, quantities={}, missing=missing, wall_s=wall_s)

    def _ask(self, header: bytes, payload: bytes, cancel: Cancellation, wall_s: float) -> tuple[dict[str, Any], bytes]:
        """The child's answer; raises TimeoutError, InferenceCancelled and InferenceFailure, each after killing it."""
        with self._lock:
            child = self._ensure_child()
            try:
                self._await_ready(child)
                deadline = time.monotonic() + wall_s
                _send(child, deadline, cancel, header, payload)
                _await_reply(child, deadline, cancel)
                return json.loads(_receive(child, deadline)), _receive(child, deadline)
            except (InferenceCancelled, TimeoutError):
                self._kill()
                raise
            except (EOFError, OSError) as error:
                code = self._kill()
                raise InferenceFailure(f"the inference process died (exit code {code})") from error

    def _ensure_child(self) -> subprocess.Popen[bytes]:
        if self._child is None or self._child.poll() is not None:
            self._kill()
            self._child = subprocess.Popen(
                [sys.executable, "-m", "lethe.evaluator.inference.child", str(self._memory_bytes)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=_environment(),
            )
            threading.Thread(target=_log_words, args=(self._child.stderr,), name="inference-log", daemon=True).start()
        return self._child

    def _await_ready(self, child: subprocess.Popen[bytes]) -> None:
        if self._ready:
            return
        try:
            _receive(child, time.monotonic() + START_LIMIT_S)
        except TimeoutError:
            self._kill()
            raise InferenceFailure(f"the inference process did not start within {START_LIMIT_S:.0f} s") from None
        self._ready = True

    def _kill(self) -> int | None:
        child, self._child, self._ready = self._child, None, False
        if child is None:
            return None
        child.kill()
        code = child.wait()
        for stream in (child.stdin, child.stdout):
            _close(stream)
        return code


def _log_words(words: IO[bytes]) -> None:
    """Log what the child says beside its answers, such as why it died, until its end."""
    with words:
        for line in words:
            log.warning("the inference process says: %s", line.decode(errors="replace").rstrip())


def _environment() -> dict[str, str]:
    """An environment without secrets, on one thread, so that outputs are the same everywhere."""
    return child_environment() | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def _close(stream: IO[bytes] | None) -> None:
    if stream is not None:
        try:
            stream.close()
        except BrokenPipeError:  # nobody reads the rest of the buffer
            return


def _send(child: subprocess.Popen[bytes], deadline: float, cancel: Cancellation, *frames: bytes) -> None:
    """Write the frames before the deadline; a child that does not read must not block its parent."""
    assert child.stdin is not None  # noqa: S101 - opened as a pipe
    descriptor = child.stdin.fileno()
    os.set_blocking(descriptor, False)
    for frame in frames:
        for data in (struct.pack("!Q", len(frame)), frame):
            view = memoryview(data)
            while view:
                _check_time(deadline, cancel)
                if select.select([], [descriptor], [], CANCEL_TICK_S)[1]:
                    view = view[os.write(descriptor, view) :]


def _await_reply(child: subprocess.Popen[bytes], deadline: float, cancel: Cancellation) -> None:
    """Return when the child begins to answer; raises as `_check_time` does."""
    assert child.stdout is not None  # noqa: S101 - opened as a pipe
    while True:
        _check_time(deadline, cancel)
        if select.select([child.stdout.fileno()], [], [], CANCEL_TICK_S)[0]:
            return


def _check_time(deadline: float, cancel: Cancellation) -> None:
    if cancel.is_set():
        raise InferenceCancelled
    if time.monotonic() >= deadline:
        raise TimeoutError


def _receive(child: subprocess.Popen[bytes], deadline: float) -> bytes:
    size = struct.unpack("!Q", _read(child, 8, deadline))[0]
    return _read(child, size, deadline)


def _read(child: subprocess.Popen[bytes], size: int, deadline: float) -> bytes:
    assert child.stdout is not None  # noqa: S101 - opened as a pipe
    descriptor = child.stdout.fileno()
    data = bytearray()
    while len(data) < size:
        readable, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
        if not readable:
            raise TimeoutError
        part = os.read(descriptor, size - len(data))
        if not part:
            raise EOFError
        data += part
    return bytes(data)
