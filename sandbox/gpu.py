"""The GPU of a worker: the device nodes that a guest gets, and how much GPU memory a run uses, seen from outside."""

import subprocess
import time
from pathlib import Path

from lethe.sandbox.errors import SandboxFailure, SandboxUnavailable
from lethe.sandbox.process_usage import descendants

_DEVICES = Path("/dev")
_SHARED_NODES = ("nvidiactl", "nvidia-uvm")
_QUERY_EVERY_S = 1.0
_ANSWER_S = 20.0
_MIB = 2**20


def device_nodes(gpu: int, devices: Path = _DEVICES) -> tuple[Path, ...]:
    """The nodes that CUDA needs for GPU number `gpu` alone; raises SandboxUnavailable naming one that is missing."""
    nodes = tuple(devices / name for name in (f"nvidia{gpu}", *_SHARED_NODES))
    missing = next((node for node in nodes if not node.exists()), None)
    if missing is not None:
        raise SandboxUnavailable(
            f"there is no {missing}: nvidia-modprobe -u -c={gpu} makes it where the driver is loaded"
        )
    return nodes


class GpuWatch:
    """Asks nvidia-smi every second, without waiting for it, whether a run's processes exceed their limit."""

    def __init__(self, gpu: int, limit_bytes: int) -> None:
        self._command = [
            "nvidia-smi",
            f"--id={gpu}",
            "--query-compute-apps=pid,used_memory",
            "--format=csv,noheader,nounits",
        ]
        self._limit_bytes = limit_bytes
        self._query: subprocess.Popen[str] | None = None
        self._queried_at = float("-inf")
        self.peak_bytes: int | None = None
        """The most that any answer said; None before the first answer."""

    def exceeded(self, root: int) -> bool:
        """Whether process `root` and its descendants exceeded the limit at the last answer; raises SandboxFailure."""
        now = time.monotonic()
        if self._query is None:
            if now - self._queried_at >= _QUERY_EVERY_S:
                self._start_query(now)
            return False
        if self._query.poll() is None:
            if now - self._queried_at > _ANSWER_S:
                raise SandboxFailure(f"nvidia-smi has not answered for {_ANSWER_S:g} s, so GPU memory is not watched")
            return False
        answer, _ = self._query.communicate()
        code, self._query = self._query.returncode, None
        if code != 0:
            raise SandboxFailure(f"nvidia-smi ended with {code}, so GPU memory is not watched: {answer.strip()[:200]}")
        used = used_bytes(answer)
        now_bytes = sum(used.get(pid, 0) for pid in descendants(root))
        self.peak_bytes = max(now_bytes, self.peak_bytes or 0)
        return now_bytes > self._limit_bytes

    def close(self) -> None:
        """End the query in flight."""
        if self._query is not None:
            self._query.kill()
            self._query.communicate()
            self._query = None

    def _start_query(self, now: float) -> None:
        try:
            self._query = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
        except OSError as error:
            raise SandboxFailure(f"nvidia-smi cannot be started, so GPU memory is not watched: {error}") from error
        self._queried_at = now


def used_bytes(answer: str) -> dict[int, int]:
    """Bytes by process from nvidia-smi's lines `pid, MiB`, summed where a pid repeats; other lines are ignored."""
    used: dict[int, int] = {}
    for line in answer.splitlines():
        pid, _, mib = (part.strip() for part in line.partition(","))
        if pid.isdecimal() and mib.isdecimal():
            used[int(pid)] = used.get(int(pid), 0) + int(mib) * _MIB
    return used
