"""The limits of one run, frozen, every name with its unit; and what several runs may take together."""

import threading
from dataclasses import dataclass, fields

MIB = 2**20
GIB = 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a guest may use. README.md says how each limit is enforced and which status exceeding it gives.

    Raises ValueError when a limit is not a positive, finite number.
    """

    wall_s: float = 60.0
    """Seconds of host time from the first instruction of the guest to its last."""
    cpu_s: float = 240.0
    """CPU seconds, all processes and threads of the run together (per process where there is no cpuacct cgroup)."""
    cores: float = 4.0
    """CPU seconds in a second of wall-clock time, of all processes together, where a CPU cgroup is writable."""
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
    """What is kept of stdout, and again of stderr."""
    threads: int = 1
    """Threads of one OpenMP or BLAS region; results depend on it."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not 0 < value < float("inf"):
                raise ValueError(f"{field.name} must be positive and finite, not {value!r}")


class Allowance:
    """Wall-clock seconds that several runs may take together; of runs at the same time, each counts. Thread-safe."""

    def __init__(self, total_wall_s: float) -> None:
        self._left_s = total_wall_s
        self._lock = threading.Lock()

    def use(self, wall_s: float) -> bool:
        """Whether there was as much left; what is used is gone either way."""
        with self._lock:
            self._left_s -= wall_s
            return self._left_s >= 0
