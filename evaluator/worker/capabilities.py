"""What this machine can do for submissions, found out without importing torch."""

import os
import platform
import shutil
import subprocess
from importlib.metadata import version

from evaluator.contract.work import Capabilities

_QUERY = ("--query-gpu=name,memory.total", "--format=csv,noheader,nounits")
_PROGRAM_S = 15.0


def find_capabilities(*, slots: int, sandbox_mode: str) -> Capabilities:
    """The capabilities of a worker with these settings on this machine."""
    gpu, gpu_memory_bytes = _gpu()
    return Capabilities(
        slots=slots,
        sandbox_mode=sandbox_mode,
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        gpu=gpu,
        gpu_memory_bytes=gpu_memory_bytes,
        torch=version("torch"),
        python=platform.python_version(),
    )


def _gpu() -> tuple[str | None, int]:
    """Name and bytes of the first GPU that the driver shows."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None, 0
    try:
        answer = subprocess.run([program, *_QUERY], capture_output=True, text=True, check=True, timeout=_PROGRAM_S)
        name, _, mebibytes = answer.stdout.splitlines()[0].rpartition(", ")
        return name[:200], int(mebibytes) * 2**20
    except (OSError, subprocess.SubprocessError, IndexError, ValueError):
        return None, 0
