"""The capabilities of this machine, determined without importing torch."""

import os
import platform
from importlib.metadata import version
from typing import Literal

from lethe.evaluator.contract.states import Stage
from lethe.evaluator.contract.work import Capabilities
from lethe.evaluator.gpus import find_gpus


def find_capabilities(*, slots: int, sandbox_mode: str, only: Literal[Stage.CHECK, Stage.RUN] | None) -> Capabilities:
    """The capabilities of a worker with these settings on this machine."""
    gpu = next(iter(find_gpus()), None)
    return Capabilities(
        slots=slots,
        sandbox_mode=sandbox_mode,
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        gpu=gpu.name[:200] if gpu is not None else None,
        gpu_memory_bytes=gpu.memory_bytes if gpu is not None else 0,
        torch=version("torch"),
        python=platform.python_version(),
        only=only,
    )
