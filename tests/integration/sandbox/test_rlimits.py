"""The limits that hold where no control group is writable, as for most ordinary users."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from lethe.sandbox import Policy, RunResult, Sandbox, Setup, Status, cgroup_hierarchies, open_sandbox

pytestmark = pytest.mark.component("bubblewrap")

RunIn = Callable[..., RunResult]
NOTHING = "def f(context, seed): return b'fine'\n"


@pytest.fixture(scope="module")
def bare(tiny_setup: Setup) -> Iterator[Sandbox]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cgroup_hierarchies, "own_groups", dict)
        policy = Policy(wall_s=30, cpu_s=1.5, memory_bytes=128 << 20, processes=24)
        with open_sandbox(tiny_setup, policy) as opened:
            yield opened


def test_mode_and_plain_run(bare: Sandbox, run_in: RunIn) -> None:
    assert bare.mode == "bubblewrap-zygote+rlimits+seccomp"
    result = run_in(bare, NOTHING)
    assert (result.status, result.peak_memory_bytes) == (Status.OK, None)
    assert result.cpu_s is not None


@pytest.mark.parametrize(
    "body",
    [
        "x = bytearray(1 << 30)",
        "import mmap; m = mmap.mmap(-1, 1 << 30); m.write(bytes(1 << 20) * 512); import time; time.sleep(5)",
        "import os, time\n    for _ in range(4): os.fork()\n    x = b'1' * (40 << 20)\n    time.sleep(5)",
        # Page tables: a byte of zeros from every second mebibyte of a read-only terabyte.
        "import mmap, time\n    m = mmap.mmap(-1, 1 << 38, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, mmap.PROT_READ)\n"
        "    for place in range(0, 1 << 38, 1 << 21): m[place]\n    time.sleep(5)",
        "import socket, time\n    kept = [socket.socketpair() for _ in range(400)]\n    time.sleep(5)",
    ],
)
def test_memory(bare: Sandbox, run_in: RunIn, body: str) -> None:
    assert run_in(bare, f"def f(context, seed):\n    {body}\n    return b''\n").status is Status.OUT_OF_MEMORY


def test_processes(bare: Sandbox, run_in: RunIn) -> None:
    bomb = "import os\ndef f(context, seed):\n    while True: os.fork()\n"
    assert run_in(bare, bomb).status is Status.PROCESS_LIMIT


def test_processes_of_one_run_do_not_count_for_another(bare: Sandbox, run_in: RunIn) -> None:
    crowd = """
        import os, time
        def f(context, seed):
            for _ in range(20):
                if os.fork() == 0:
                    time.sleep(9)
            time.sleep(1)
            return b"fine"
        """
    with ThreadPoolExecutor(2) as slots:
        results = list(slots.map(lambda _: run_in(bare, crowd), range(2)))
    assert [result.status for result in results] == [Status.OK, Status.OK]


def test_cpu(bare: Sandbox, run_in: RunIn) -> None:
    result = run_in(bare, "def f(context, seed):\n    while True: pass\n")
    assert result.status is Status.TIMEOUT
    assert result.error is not None
    assert "CPU" in result.error.message
