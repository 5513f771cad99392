"""Opening, failing, closing and being killed: nothing is left behind and nobody is blamed wrongly."""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from lethe.sandbox import (
    Backend,
    Policy,
    RunResult,
    Sandbox,
    SandboxFailure,
    SandboxUnavailable,
    Setup,
    Status,
    cgroup_hierarchies,
    open_sandbox,
    staging,
)
from lethe.sandbox.cgroups import PREFIX as GROUP_PREFIX

pytestmark = pytest.mark.component("bubblewrap")

RunIn = Callable[..., RunResult]
NOTHING = "def f(context, seed): return b'fine'\n"


def children_of(pid: int) -> set[int]:
    found = set()
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            found |= {int(child) for child in (task / "children").read_text().split()}
    return found


def abandoned(paths: Iterable[Path]) -> list[Path]:
    """Those folders that no process has locked: workers on the same machine keep theirs locked while they live."""
    found = []
    for path in paths:
        with contextlib.suppress(OSError):
            if path.stat().st_uid != os.geteuid():
                continue
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                found.append(path)
            finally:
                os.close(fd)
    return found


def own_leftovers() -> dict[str, object]:
    """Everything that a sandbox of this process could leave behind."""
    groups = [path for base in cgroup_hierarchies.own_groups().values() for path in base.glob(f"{GROUP_PREFIX}*")]
    return {
        "descriptors": len(os.listdir("/proc/self/fd")),  # noqa: PTH208
        "children": children_of(os.getpid()),
        "threads": threading.active_count(),
        "groups": abandoned(groups),
        "folders": abandoned(Path(tempfile.gettempdir()).glob(f"{staging.PREFIX}*")),
    }


def test_nothing_is_left_behind(tiny_setup: Setup, run_in: RunIn) -> None:
    with open_sandbox(tiny_setup, Policy(wall_s=5)) as opened:
        run_in(opened, NOTHING)  # what is imported or opened once and for all
    before = own_leftovers()
    with open_sandbox(tiny_setup, Policy(wall_s=0.5, memory_bytes=64 << 20)) as opened:
        inside = own_leftovers()
        assert inside != before
        for source in (
            NOTHING,
            "def f(c, s): 1 / 0\n",
            "def f(c, s):\n    while True: pass\n",
            "import os; os._exit(1)\n",
        ):
            run_in(opened, source)
            run_in(opened, source.replace("while True", "while 1"))
        assert own_leftovers() == inside
    assert own_leftovers() == before


def test_runs_at_the_same_time_do_not_mix(sandbox: Sandbox) -> None:
    source = b"import os, time\ndef f(c, s):\n    print(s)\n    time.sleep(0.05)\n    return str(s).encode() * 1000\n"

    def one(seed: int) -> RunResult:
        return sandbox.run(source, function="f", seed=seed)

    with ThreadPoolExecutor(4) as slots:
        results = list(slots.map(one, range(24)))
    assert [result.payload for result in results] == [str(seed).encode() * 1000 for seed in range(24)]
    assert [result.stdout for result in results] == [f"{seed}\n" for seed in range(24)]


def test_a_killed_run_does_not_disturb_another(sandbox: Sandbox) -> None:
    cancel = threading.Event()
    endless, patient = (
        b"def f(c, s):\n    while True: pass\n",
        b"import time\ndef f(c, s): time.sleep(1); return b'x'\n",
    )
    with ThreadPoolExecutor(2) as slots:
        killed = slots.submit(sandbox.run, endless, function="f", seed=0, cancel=cancel)
        spared = slots.submit(sandbox.run, patient, function="f", seed=0)
        time.sleep(0.3)
        cancel.set()
        assert killed.result().status is Status.CANCELLED
        assert spared.result().payload == b"x"


def test_a_sandbox_outlives_the_thread_that_opened_it(tiny_setup: Setup, run_in: RunIn) -> None:
    with contextlib.ExitStack() as stack:
        box: list[Sandbox] = []
        opener = threading.Thread(target=lambda: box.append(stack.enter_context(open_sandbox(tiny_setup, Policy()))))
        opener.start()
        opener.join()
        time.sleep(0.2)
        assert run_in(box[0], NOTHING).status is Status.OK


def zygotes() -> list[int]:
    """The outermost bubblewrap processes that this process started."""
    return [pid for pid in children_of(os.getpid()) if "bwrap" in Path(f"/proc/{pid}/comm").read_text()]


def test_a_dead_zygote_is_a_failure_of_the_sandbox(tiny_setup: Setup, run_in: RunIn) -> None:
    others = set(zygotes())
    with open_sandbox(tiny_setup, Policy(wall_s=30)) as opened, ThreadPoolExecutor(1) as slots:
        flying = slots.submit(run_in, opened, "import time\ndef f(c, s): time.sleep(60)\n")
        time.sleep(0.5)
        (jail,) = set(zygotes()) - others
        os.kill(jail, signal.SIGKILL)
        with pytest.raises(SandboxFailure, match="jail ended"):
            flying.result(timeout=60)
        with pytest.raises(SandboxFailure):
            run_in(opened, NOTHING)
    with open_sandbox(tiny_setup, Policy()) as opened:
        assert run_in(opened, NOTHING).status is Status.OK


def test_closing_ends_runs_in_flight(tiny_setup: Setup, run_in: RunIn) -> None:
    with ThreadPoolExecutor(1) as slots:
        with open_sandbox(tiny_setup, Policy(wall_s=30)) as opened:
            flying = slots.submit(run_in, opened, "import time\ndef f(c, s): time.sleep(60)\n")
            time.sleep(0.5)
        with pytest.raises(SandboxFailure):
            flying.result(timeout=60)


PARENT = """
import sys, threading
from pathlib import Path
from lethe.sandbox import Policy, Setup, open_sandbox

source = b"import os, time\\nos.fork()\\ndef f(c, s):\\n    print('up', flush=True)\\n    time.sleep(600)\\n"
setup = Setup(harness={"tiny.py": Path(sys.argv[1])}, harness_module="tiny", with_packages=False, start_s=60)
with open_sandbox(setup, Policy(wall_s=600)) as opened:
    threading.Timer(1.0, lambda: print("running", flush=True)).start()
    opened.run(source, function="f", seed=0)
"""


def test_killing_the_parent_kills_everything(tiny_setup: Setup, run_in: RunIn) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tiny_setup.harness["tiny.py"])],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).resolve().parents[3],
    )
    with parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"running\n"
        family = descendants(parent.pid)
        assert len(family) >= 6  # two of bubblewrap, zygote, supervisor, reaper, guest and its child
        parent.kill()
        parent.wait()
    deadline = time.monotonic() + 60
    while (left := [pid for pid in family if is_running(pid)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left == []
    assert own_leftovers()["folders"] != []
    with open_sandbox(tiny_setup, Policy()) as opened:
        assert run_in(opened, NOTHING).status is Status.OK
    after = own_leftovers()
    assert (after["groups"], after["folders"]) == ([], [])


def descendants(pid: int) -> list[int]:
    found: list[int] = []
    pending = [pid]
    while pending:
        new = children_of(pending.pop())
        found += new
        pending += new
    return found


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in {"Z", "X"}


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("raise RuntimeError('broken harness')", "broken harness"),
        ("import threading, time; threading.Thread(target=time.sleep, args=(9,), daemon=True).start()", "2 threads"),
        ("import os; os._exit(3)", "jail ended"),
        ("print('last words', flush=True); import os; os.abort()", "last words"),
        ("import time; time.sleep(60)", "not ready after 1 s"),
    ],
)
def test_a_harness_that_does_not_load(tmp_path: Path, body: str, complaint: str) -> None:
    (tmp_path / "bad.py").write_text(f"def load(inputs):\n    {body}\n")
    start_s = 1.0 if "sleep(60)" in body else 30.0
    setup = Setup(harness={"bad.py": tmp_path / "bad.py"}, harness_module="bad", with_packages=False, start_s=start_s)
    with pytest.raises(SandboxFailure, match=complaint), open_sandbox(setup, Policy()):
        pytest.fail("it must not open")


def test_without_bubblewrap_it_says_what_to_install(tiny_setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SandboxUnavailable, match="apt-get install bubblewrap"), open_sandbox(tiny_setup, Policy()):
        pytest.fail("it must not open")


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user can read what it owns")
def test_an_interpreter_in_a_closed_folder_is_named(tiny_setup: Setup, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "python").symlink_to(sys.executable)
    for folder in tmp_path.parents:
        if folder.name.startswith(("pytest-", "popen-")):
            folder.chmod(0o755)
    tmp_path.chmod(0o755)
    setup = replace(tiny_setup, python=closed / "python")
    with (
        pytest.raises(SandboxUnavailable, match=f"{closed} is closed to it.*chmod o\\+rx"),
        open_sandbox(setup, Policy()),
    ):
        pytest.fail("it must not open")


def test_a_fresh_jail_per_run_answers_the_same(tiny_setup: Setup, sandbox: Sandbox, run_in: RunIn) -> None:
    source = """
        import random
        def f(context, seed):
            random.seed(seed)
            print(list({"a", "b", "c"}))
            return random.randbytes(64)
        """
    with open_sandbox(replace(tiny_setup, backend=Backend.FRESH), Policy()) as opened:
        assert opened.mode.startswith("bubblewrap-fresh+")
        fresh = [run_in(opened, source, seed=3) for _ in range(2)]
    forked = run_in(sandbox, source, seed=3)
    assert {result.payload for result in fresh} == {forked.payload}
    assert {result.stdout for result in fresh} == {forked.stdout}


def test_cpu_of_all_processes_counts_together(tiny_setup: Setup, run_in: RunIn) -> None:
    if not cgroup_hierarchies.own_groups():
        pytest.skip("needs a CPU control group")
    burn = "import os\ndef f(context, seed):\n    os.fork()\n    while True: pass\n"
    with open_sandbox(tiny_setup, Policy(wall_s=10, cpu_s=0.6)) as opened:
        result = run_in(opened, burn)
    assert result.status is Status.TIMEOUT
    assert result.error is not None
    assert "CPU" in result.error.message
