"""Every status a run can end with, each caused by real code in a real jail."""

import threading
import time
from collections.abc import Callable

import pytest

from lethe.sandbox import Allowance, Policy, RunResult, Sandbox, Setup, Status, open_sandbox
from lethe.sandbox import sandbox as sandbox_module

pytestmark = pytest.mark.component("bubblewrap")

Run = RunIn = Callable[..., RunResult]


def test_ok_returns_the_payload_and_what_was_printed(run: Run) -> None:
    result = run(
        """
        import sys
        def f(context, seed):
            print("out", seed)
            print("err", file=sys.stderr)
            return b"payload"
        """,
        seed=2**63 - 1,
    )
    assert (result.status, result.payload, result.error) == (Status.OK, b"payload", None)
    assert (result.stdout, result.stderr) == (f"out {2**63 - 1}\n", "err\n")
    assert 0 < result.wall_s < 60
    assert result.cpu_s is not None
    assert result.cpu_s > 0


def test_exception_names_type_message_and_line(run: Run) -> None:
    result = run(
        """
        def helper():
            raise ValueError("wrong \\udcff value")

        def f(context, seed):
            helper()
        """
    )
    assert result.status is Status.EXCEPTION
    assert result.payload is None
    assert result.error is not None
    assert (result.error.type, result.error.line) == ("ValueError", 2)
    assert result.error.message == "wrong \\udcff value"
    assert "helper()" in result.error.traceback
    assert "/sandbox/code" not in result.error.traceback


def test_line_is_the_own_one_when_a_library_raises(run: Run) -> None:
    result = run("import json\n\ndef f(context, seed):\n    json.loads('{')\n")
    assert result.error is not None
    assert (result.error.type, result.error.line) == ("JSONDecodeError", 4)
    assert "json/decoder.py" in result.error.traceback


def test_syntax_error_has_its_line(run: Run) -> None:
    result = run("x = 1\ndef f(:\n")
    assert result.status is Status.EXCEPTION
    assert result.error is not None
    assert (result.error.type, result.error.line) == ("SyntaxError", 2)


def test_missing_function(run: Run) -> None:
    result = run("g = 1\n")
    assert result.status is Status.EXCEPTION
    assert result.error is not None
    assert "'f'" in result.error.message


def test_missing_package_is_an_import_error(run: Run) -> None:
    result = run("import no_such_package\n")
    assert result.status is Status.IMPORT_ERROR
    assert result.error is not None
    assert (result.error.type, result.error.line) == ("ModuleNotFoundError", 1)


@pytest.mark.parametrize(
    ("leave", "line"),
    [("import sys; sys.exit(3)", 2), ("import os; os._exit(3)", None), ("import os; os._exit(0)", None)],
)
def test_leaving_is_an_exit(run: Run, leave: str, line: int | None) -> None:
    result = run(f"def f(context, seed):\n    {leave}\n")
    assert (result.status, result.payload) == (Status.EXIT, None)
    assert result.error is not None
    assert result.error.line == line


def test_no_result_and_invalid_result_are_the_harness_verdicts(run: Run) -> None:
    assert run("def f(context, seed): return None\n").status is Status.NO_RESULT
    result = run("def f(context, seed): return 5\n")
    assert result.status is Status.INVALID_RESULT
    assert result.error is not None
    assert result.error.message == "int came back"


@pytest.mark.parametrize(
    "body",
    [
        "while True: pass",
        "import time; time.sleep(60)",
        "import signal; signal.signal(15, lambda *a: 0); signal.pthread_sigmask(0, range(1, 65)); signal.pause()",
    ],
)
def test_endless_runs_time_out(run_hasty: Run, body: str) -> None:
    started = time.monotonic()
    result = run_hasty(f"def f(context, seed):\n    print('before')\n    {body}\n")
    assert result.status is Status.TIMEOUT
    assert result.stdout == "before\n"
    assert 0.7 <= result.wall_s < 20
    assert time.monotonic() - started < 30  # of a loop without end0


@pytest.mark.parametrize(
    "body",
    [
        "x = bytearray(2 << 30)",
        "x = [bytearray(1 << 20) for _ in range(2000)]",
        "import mmap; m = mmap.mmap(-1, 1 << 30); m.write(bytes(1 << 20) * 1024)",
    ],
)
def test_memory_bombs(run: Run, body: str) -> None:
    result = run(f"def f(context, seed):\n    {body}\n    return b''\n")
    assert result.status is Status.OUT_OF_MEMORY


def test_memory_of_all_processes_counts_together(run: Run) -> None:
    result = run(
        """
        import os, time
        def f(context, seed):
            for _ in range(6):
                if os.fork() == 0:
                    hoard = b"1" * (60 << 20)
                    time.sleep(60)
            time.sleep(3)
            raise ValueError
        """
    )
    assert result.status is Status.OUT_OF_MEMORY


def test_fork_bomb_is_a_process_limit(sandbox: Sandbox, run: Run, run_hasty: Run) -> None:
    limits = {Status.PROCESS_LIMIT}
    if "cgroup2" in sandbox.mode:
        limits.add(Status.OUT_OF_MEMORY)  # page tables count there, and may reach the limit of memory first
    assert run("import os\ndef f(context, seed):\n    while True: os.fork()\n").status in limits
    stubborn = """
        import os
        def f(context, seed):
            while True:
                try:
                    os.fork()
                except OSError:
                    pass
        """
    assert run_hasty(stubborn).status in {*limits, Status.TIMEOUT}
    assert run("def f(context, seed): return b'after'\n").payload == b"after"


def test_thread_bomb_is_a_process_limit(run: Run) -> None:
    result = run(
        """
        import threading, time
        def f(context, seed):
            for _ in range(1000):
                threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        """
    )
    assert result.status is Status.PROCESS_LIMIT


def test_chatter_is_cut_with_a_note(run: Run) -> None:
    result = run("def f(context, seed):\n    print('x' * 6000)\n    return b'fine'\n")
    assert (result.status, result.payload, result.stdout_truncated) == (Status.OK, b"fine", True)
    assert result.stdout.startswith("x" * 4096)
    assert "6001 bytes were written" in result.stdout
    assert not result.stderr_truncated


def test_flood_is_stopped(run: Run) -> None:
    result = run("import os\ndef f(context, seed):\n    while True: os.write(1, b'x' * 65536)\n")
    assert result.status is Status.OUTPUT_LIMIT
    assert len(result.stdout) < 5000


def test_oversized_result_is_an_output_limit(run: Run) -> None:
    result = run("def f(context, seed): return bytes((1 << 20) + 1)\n")
    assert (result.status, result.payload) == (Status.OUTPUT_LIMIT, None)
    assert run("def f(context, seed): return bytes(1 << 20)\n").payload == bytes(1 << 20)


@pytest.mark.parametrize(
    ("number", "name"), [("signal.SIGKILL", "SIGKILL"), ("signal.SIGSEGV", "SIGSEGV"), ("signal.SIGTERM", "SIGTERM")]
)
def test_killed_by_a_signal(run: Run, number: str, name: str) -> None:
    result = run(f"import os, signal\ndef f(context, seed): os.kill(os.getpid(), {number})\n")
    assert result.status is Status.KILLED
    assert result.error is not None
    assert result.error.type == name


def test_cancel(sandbox: Sandbox) -> None:
    cancel = threading.Event()
    threading.Timer(0.3, cancel.set).start()
    started = time.monotonic()
    result = sandbox.run(b"def f(c, s):\n    while True: pass\n", function="f", seed=0, cancel=cancel)
    assert result.status is Status.CANCELLED
    assert time.monotonic() - started < 30  # of a loop without end


@pytest.mark.parametrize("ending", ["pass", "raise ValueError", "sys.exit(1)", "time.sleep(60)"])
def test_a_forked_child_has_no_say_in_the_result(run: Run, ending: str) -> None:
    result = run(
        f"""
        import os, sys, time
        def f(context, seed):
            if os.fork() == 0:
                {ending}
                return b"child"
            time.sleep(0.1)
            return b"parent"
        """
    )
    assert (result.status, result.payload) == (Status.OK, b"parent")


def test_a_forged_report_changes_only_its_own_run(run: Run) -> None:
    forged = """
        import json, os
        def f(context, seed):
            os.write(5, json.dumps({"status": %r, "payload_bytes": 3}).encode())
            os.write(4, b"abc")
            os._exit(0)
        """
    assert run(forged % "ok").payload == b"abc"  # a claim like any other
    for status in ("timeout", "cancelled", "killed", "output_limit", "sandbox_failure"):
        assert run(forged % status).status is Status.EXIT
    assert run("import os\ndef f(c, s): os.write(5, b'{' * 70000); os._exit(0)\n").status is Status.EXIT
    assert run("import os\ndef f(c, s): os.write(5, b'[' * 70000); os._exit(0)\n").status is Status.EXIT
    assert run("def f(c, s): return b'honest'\n").payload == b"honest"


def test_memory_in_socket_buffers_counts(sandbox: Sandbox, run: Run) -> None:
    if "cgroup" not in sandbox.mode:
        pytest.skip("without a control group the kernel's memory counts for nobody")
    source = """
        import socket
        def f(context, seed):
            kept = []
            for _ in range(50):
                one, other = socket.socketpair()
                one.setblocking(False)
                kept += [one, other]
                try:
                    while True:
                        one.send(bytes(65536))
                except BlockingIOError:
                    continue
            return b"full"
        """
    result = run(source)
    assert result.status is Status.OK
    assert result.peak_memory_bytes is not None
    assert result.peak_memory_bytes > 8 << 20


def test_cores(tiny_setup: Setup, run_in: RunIn) -> None:
    with open_sandbox(tiny_setup, Policy(wall_s=2.0, cores=0.25, processes=8)) as slow:
        result = run_in(slow, "def f(context, seed):\n    while True: pass\n")
    if result.cpu_s is None or "cgroup" not in slow.mode:
        pytest.skip("no control group here")
    assert result.status is Status.TIMEOUT
    assert result.cpu_s < 0.5 * result.wall_s  # alone, it would use all of a core


def test_runs_that_may_take_only_so_much_time_together(run: Run) -> None:
    allowance = Allowance(0.8)
    nap = "import time\ndef f(context, seed):\n    time.sleep(0.5)\n    return b'slept'\n"
    assert run(nap, allowance=allowance).status is Status.OK
    for _ in range(2):
        result = run(nap, allowance=allowance)
        assert result.status is Status.TIMEOUT
        assert result.error is not None
        assert "together" in result.error.message
    assert run(nap).status is Status.OK


def test_a_run_that_sleeps_does_not_wait_for_a_processor(run_hasty: Run) -> None:
    result = run_hasty("import time\ndef f(context, seed):\n    time.sleep(60)\n")
    assert result.status is Status.TIMEOUT
    assert result.waited_s is not None
    assert result.waited_s < result.wall_s / 2


def test_processes_that_are_killed_with_the_run_are_counted(
    tiny_setup: Setup, monkeypatch: pytest.MonkeyPatch, run_in: RunIn
) -> None:
    """Nobody waits for them, so where no control group counts their time, a look at them has to."""
    monkeypatch.setattr(sandbox_module.CgroupTree, "create", classmethod(lambda cls: cls(0, {}, [])))
    source = """
        import os
        def f(context, seed):
            for _ in range(4):
                if os.fork() == 0:
                    while True:
                        pass
            os.wait()
        """
    with open_sandbox(tiny_setup, Policy(wall_s=2.0, processes=24, memory_bytes=128 * 2**20)) as opened:
        result = run_in(opened, source)
    assert result.status is Status.TIMEOUT
    assert result.waited_s is not None
    assert result.cpu_s is not None
    assert result.cpu_s > 0.5
