"""What can be said about GPUs without one: which nodes are bound, what nvidia-smi's answers mean, what is refused."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lethe.sandbox import Backend, Policy, SandboxFailure, SandboxUnavailable, Setup, zygote
from lethe.sandbox.cgroups import CgroupTree
from lethe.sandbox.gpu import GpuWatch, device_nodes, used_bytes
from lethe.sandbox.identity import Identity
from lethe.sandbox.image import Image
from lethe.sandbox.interpreter import Interpreter
from lethe.sandbox.jail import build_command
from lethe.sandbox.sandbox import mode_of
from lethe.sandbox.staging import Staging

MIB = 2**20


@pytest.fixture
def devices(tmp_path: Path) -> Path:
    for name in ("nvidia0", "nvidia3", "nvidiactl", "nvidia-uvm", "nvidia-modeset"):
        (tmp_path / name).touch()
    return tmp_path


def test_only_the_workers_own_gpu_is_bound(devices: Path) -> None:
    nodes = device_nodes(3, devices)
    command = build_command(
        7,
        bwrap="bwrap",
        setup=Setup(harness={}, harness_module="h", backend=Backend.FRESH, gpu=3),
        policy=Policy(),
        identity=Identity(uid=61_010, gid=61_010, drops=True),
        interpreter=Interpreter(Path("/usr/bin/python3"), {}, Path("/usr/bin/python3")),
        staging=Staging(Path("/stage")),
        image=Image(user_fd=8, mount_fd=9, files=0, size_bytes=0),
        gpu_nodes=nodes,
    )
    bound = [command[index + 2] for index, word in enumerate(command) if word == "--dev-bind"]
    assert [name for name in bound if "nvidia" in name] == ["/dev/nvidia3", "/dev/nvidiactl", "/dev/nvidia-uvm"]


def test_a_gpu_that_is_not_there(devices: Path) -> None:
    with pytest.raises(SandboxUnavailable, match=r"nvidia1: nvidia-modprobe -u -c=1"):
        device_nodes(1, devices)


def test_a_gpu_has_a_number() -> None:
    with pytest.raises(ValueError, match="number of a GPU"):
        Setup(harness={}, harness_module="h", gpu=-1)


def test_no_gpu_in_the_zygote() -> None:
    descriptor = os.open("/dev/null", os.O_RDONLY)
    try:
        with pytest.raises(RuntimeError, match="only guests may use the GPU"):
            zygote._check_gpu("/dev/null")
    finally:
        os.close(descriptor)
    zygote._check_gpu()


def test_the_mode_names_it() -> None:
    with CgroupTree(0, {}, []) as tree:
        assert mode_of(Backend.FRESH, tree, gpu=1) == "bubblewrap-fresh+rlimits+seccomp+gpu"


def test_answers_of_nvidia_smi() -> None:
    assert used_bytes("12, 300\n7, 1\n12, 20\nNo running processes found\n9, [N/A]\n\n") == {12: 320 * MIB, 7: MIB}


@pytest.fixture
def process() -> Iterator[int]:
    with subprocess.Popen(["sleep", "60"]) as running:
        yield running.pid
        running.kill()


def watched(path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> GpuWatch:
    """A watch over 100 MiB whose nvidia-smi is `script`."""
    program = path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{path}:{os.defpath}")
    return GpuWatch(0, 100 * MIB)


def first_answer(watch: GpuWatch, root: int) -> bool:
    """What the watch says when its first question is answered."""
    assert watch.exceeded(root) is False  # it only asks
    deadline = time.monotonic() + 60
    while watch._query is not None and time.monotonic() < deadline:
        if watch.exceeded(root):
            return True
    return False


@pytest.mark.parametrize(("mib", "exceeded"), [(101, True), (100, False)])
def test_a_run_that_takes_too_much(
    mib: int, exceeded: bool, process: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = watched(tmp_path, monkeypatch, f"echo '{process}, {mib}'; echo '1, 99999'")
    assert first_answer(watch, os.getpid()) is exceeded


def test_what_cannot_be_watched_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SandboxFailure, match="ended with 9, so GPU memory is not watched: broken"):
        first_answer(watched(tmp_path, monkeypatch, "echo broken; exit 9"), os.getpid())
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SandboxFailure, match="cannot be started"):
        GpuWatch(0, MIB).exceeded(os.getpid())
