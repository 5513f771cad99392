"""GPUs as the driver lists them, with a stand-in for its library; no machine of the tests needs a GPU."""

import sys
from types import ModuleType, SimpleNamespace

import pytest

from lethe.evaluator.banks import training_jobs
from lethe.evaluator.gpus import Gpu, find_gpus

GPUS = (Gpu("NVIDIA H100 80GB HBM3", 85_520_809_984), Gpu("NVIDIA T4", 16_106_127_360))


class Library(ModuleType):
    """What `find_gpus` uses of pynvml; `broken` names a call that fails."""

    class NVMLError(Exception):
        pass

    def __init__(self, broken: str = "") -> None:
        super().__init__("pynvml")
        self.is_open = False
        self._broken = broken

    def _call(self, name: str) -> None:
        if name == self._broken:
            raise self.NVMLError(name)

    def nvmlInit(self) -> None:  # noqa: N802 - the library's name
        self._call("nvmlInit")
        self.is_open = True

    def nvmlShutdown(self) -> None:  # noqa: N802
        self.is_open = False

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return len(GPUS)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Gpu:  # noqa: N802
        assert self.is_open
        return GPUS[index]

    def nvmlDeviceGetName(self, handle: Gpu) -> str:  # noqa: N802
        return handle.name

    def nvmlDeviceGetMemoryInfo(self, handle: Gpu) -> SimpleNamespace:  # noqa: N802
        self._call("nvmlDeviceGetMemoryInfo")
        return SimpleNamespace(total=handle.memory_bytes)


def test_gpus_in_the_drivers_order(monkeypatch: pytest.MonkeyPatch) -> None:
    library = Library()
    monkeypatch.setitem(sys.modules, "pynvml", library)
    assert find_gpus() == GPUS
    assert not library.is_open


@pytest.mark.parametrize("broken", ["nvmlInit", "nvmlDeviceGetMemoryInfo"])
def test_a_driver_that_fails_shows_none(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    library = Library(broken)
    monkeypatch.setitem(sys.modules, "pynvml", library)
    assert find_gpus() == ()
    assert not library.is_open


def test_the_base_install_shows_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert find_gpus() == ()


def test_gpus_bound_the_training_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(64)))
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert training_jobs.default_jobs() == 64
    monkeypatch.setitem(sys.modules, "pynvml", Library())
    assert training_jobs.default_jobs() == 2 * training_jobs.MODELS_PER_GPU
