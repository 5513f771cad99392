"""The environment of processes that hold a host's network or a stranger's weights: without credentials."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

_KEPT = frozenset({"PATH", "HOME", "LANG", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV"})
_KEPT_BEGINNINGS = (
    "LC_", "PYTHON", "PYTORCH_", "ATEN_", "CUDA_", "CUBLAS_", "NVIDIA_", "OMP_", "KMP_", "MKL_", "OPENBLAS_",
    "COVERAGE_",
)  # fmt: skip


def child_environment() -> dict[str, str]:
    """This process's variables that interpreter, threads and GPUs need; none of Lethe, stores or databases."""
    return {name: value for name, value in os.environ.items() if name in _KEPT or name.startswith(_KEPT_BEGINNINGS)}


@contextmanager
def child_environment_only() -> Iterator[None]:
    """Reduce this process's environment to `child_environment` while another program is started in it."""
    before = dict(os.environ)
    kept = child_environment()
    for name in before.keys() - kept.keys():
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(before)
