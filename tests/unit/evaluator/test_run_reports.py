"""Whose fault an ended run is."""

import os

import pytest

from lethe.evaluator.run_reports import fault_of, is_starved
from lethe.sandbox import GuestError, RunResult, Status


def ended(cpu_s: float | None, *, wall_s: float = 30.0, status: Status = Status.TIMEOUT) -> RunResult:
    error = GuestError(type="", message="The run took longer than its wall-clock limit.", line=None, traceback="")
    return RunResult(status, None, error, "", "", False, False, wall_s, cpu_s, None)


@pytest.mark.parametrize(
    ("result", "load", "starved"),
    [
        (ended(2.9), 10.0, True),
        (ended(2.9), 0.5, False),  # it slept
        (ended(25.0), 10.0, False),
        (ended(None), 10.0, False),
        (ended(0.1, status=Status.EXCEPTION), 10.0, False),
    ],
)
def test_a_run_without_processor_time_on_a_busy_machine_is_starved(
    result: RunResult, load: float, starved: bool
) -> None:
    assert is_starved(result, load=load) == starved


def test_a_starved_run_is_the_platforms_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (20.0 * (os.cpu_count() or 1), 0.0, 0.0))
    fault = fault_of(ended(2.9), is_hidden=True)
    assert (fault.owner, fault.code) == ("platform", "platform")
    assert "2.9 s of processor time in 30.0 s" in fault.message
    assert fault_of(ended(29.0), is_hidden=True).owner == "participant"
