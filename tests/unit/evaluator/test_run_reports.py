"""Whose fault an ended run is."""

import pytest

from lethe.evaluator.run_reports import fault_of
from lethe.sandbox import GuestError, RunResult, Status


def ended(waited_s: float | None, *, status: Status = Status.TIMEOUT) -> RunResult:
    error = GuestError(type="", message="The run took longer than its wall-clock limit.", line=None, traceback="")
    return RunResult(status, None, error, "", "", False, False, 30.0, 2.9, None, waited_s)


@pytest.mark.parametrize(
    ("result", "owner"),
    [
        (ended(27.0), "platform"),
        (ended(0.1), "participant"),  # it slept
        (ended(None), "participant"),
        (ended(27.0, status=Status.EXCEPTION), "participant"),
    ],
)
def test_a_run_that_waited_for_a_processor_is_the_platforms_fault(result: RunResult, owner: str) -> None:
    assert fault_of(result, is_hidden=True).owner == owner


def test_the_fault_says_how_long_it_waited() -> None:
    assert "27.0 of 30.0 s" in fault_of(ended(27.0), is_hidden=False).message
