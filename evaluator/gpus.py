"""Which GPUs the driver of this machine shows; asked without torch."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Gpu:
    """One GPU; `memory_bytes` is all of its memory, used or not."""

    name: str
    memory_bytes: int


def find_gpus() -> tuple[Gpu, ...]:
    """The GPUs in the driver's order; empty without a driver, or without nvidia-ml-py (of the extra `worker`).

    The driver's library is closed again, so that a process that forks later holds no device open.
    """
    try:
        import pynvml
    except ModuleNotFoundError:
        return ()
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return ()
    try:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
        return tuple(
            Gpu(pynvml.nvmlDeviceGetName(handle), pynvml.nvmlDeviceGetMemoryInfo(handle).total) for handle in handles
        )
    except pynvml.NVMLError:
        return ()
    finally:
        pynvml.nvmlShutdown()
