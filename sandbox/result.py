"""The result of a run: a closed status, the payload, the guest's error and the resources used."""

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """How a run ended. Failures of the sandbox itself are exceptions (`SandboxFailure`), not statuses."""

    OK = "ok"
    EXCEPTION = "exception"
    EXIT = "exit"
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out_of_memory"
    PROCESS_LIMIT = "process_limit"
    OUTPUT_LIMIT = "output_limit"
    KILLED = "killed"
    INVALID_RESULT = "invalid_result"
    NO_RESULT = "no_result"
    IMPORT_ERROR = "import_error"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class GuestError:
    """What the guest says went wrong. Every field is the guest's claim: show it escaped, and base no decision on it."""

    type: str
    message: str
    line: int | None
    """Line of the submitted file, 1-based; None when no frame of it was involved."""
    traceback: str


@dataclass(frozen=True, slots=True)
class RunResult:
    """One finished run. `payload` is set exactly when `status` is OK, and nothing has checked its bytes."""

    status: Status
    payload: bytes | None
    error: GuestError | None
    stdout: str
    stderr: str
    stdout_truncated: bool
    stderr_truncated: bool
    wall_s: float
    cpu_s: float | None
    """CPU seconds of the whole run; without cgroups those of the guest process and the children it waited for."""
    peak_memory_bytes: int | None
    """None where no memory cgroup is writable."""
    waited_s: float | None = None
    """Seconds in which a run that ran out of time wanted a processor and had none; None for others."""
    peak_gpu_memory_bytes: int | None = None
    """The most of one look a second; None without a GPU, and for runs that ended before the first look."""
