"""The limits of one run, frozen, every name with its unit; and the allowance that several runs share."""

import threading
from dataclasses import dataclass, fields

MIB = 2**20
GIB = 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a guest may use. README.md says how each limit is enforced and which status a run gets that exceeds it.

    Raises ValueError when a limit is not a positive, finite number.
    """

    wall_s: float = 60.0
    """Seconds of host time from the first instruction of the guest to its last."""
    cpu_s: float = 240.0
    """CPU seconds, all processes and threads of the run together (per process where there is no cpuacct cgroup)."""
    cores: float = 4.0
    """CPU seconds per wall-clock second, all processes together, where a CPU cgroup is writable."""
    memory_bytes: int = 2 * GIB
    """Memory on top of what the guest shares with the zygote; scratch files count."""
    gpu_memory_bytes: int = 8 * GIB
    """Memory on the GPU, of all processes of the run together, where the setup names a GPU."""
    processes: int = 64
    """Processes and threads of the run together."""
    open_files: int = 1024
    """File descriptors per process."""
    file_bytes: int = 256 * MIB
    """Size of one file."""
    scratch_bytes: int = 256 * MIB
    """Everything in the scratch folder and in shared memory together."""
    output_bytes: int = 256 * MIB
    """Size of the result."""
    log_bytes: int = 64 * 2**10
    """Bytes kept of stdout, and as many of stderr."""
    threads: int = 1
    """Threads of one OpenMP or BLAS region; results depend on it."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not 0 < value < float("inf"):
                raise ValueError(f"{field.name} must be positive and finite, not {value!r}")


class Allowance:
    """Wall-clock seconds that several runs share; runs at the same time each count. Thread-safe."""

    def __init__(self, total_wall_s: float) -> None:
        self._left_s = total_wall_s
        self._lock = threading.Lock()

    def use(self, wall_s: float) -> bool:
        """Use up `wall_s`; False when less than that was left."""
        with self._lock:
            self._left_s -= wall_s
            return self._left_s >= 0
