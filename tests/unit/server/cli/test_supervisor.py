"""Children are restarted with backoff, and all of them end together."""

import os
import sys
import time

import pytest

from lethe.server.cli.supervisor import Supervisor


def wait_until(condition, limit_s: float = 60.0) -> None:  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_lines_bear_names_and_environment_is_the_childs_own(capfd: pytest.CaptureFixture[str]) -> None:
    supervisor = Supervisor({"SHARED": "1"})
    program = "import os; print(os.environ['SHARED'], os.environ.get('OWN')); import time; time.sleep(60)"
    supervisor.start("one", [sys.executable, "-c", program], environment={"OWN": "x"})
    supervisor.start("two", [sys.executable, "-c", program])
    seen = ""

    def printed() -> bool:
        nonlocal seen
        seen += capfd.readouterr().err
        return "one     | 1 x" in seen and "two     | 1 None" in seen

    wait_until(printed)
    supervisor.stop()


def test_dead_child_is_started_again(capfd: pytest.CaptureFixture[str]) -> None:
    supervisor = Supervisor({})
    supervisor.start("frail", [sys.executable, "-c", "import time; time.sleep(60)"])
    first = supervisor.pids()["frail"]
    os.kill(first, 9)

    def restarted() -> bool:
        supervisor.watch()
        return supervisor.pids()["frail"] != first

    wait_until(restarted)
    second = supervisor.pids()["frail"]
    supervisor.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(second, 0)
    assert "ended with code -9; restarting in 1 s" in capfd.readouterr().err


def test_stop_leaves_nothing_behind() -> None:
    supervisor = Supervisor({})
    for name in ("a", "b"):
        supervisor.start(name, [sys.executable, "-c", "import time; time.sleep(60)"])
    pids = supervisor.pids().values()
    supervisor.stop()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
