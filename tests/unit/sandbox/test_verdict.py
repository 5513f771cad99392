"""What the host and the kernel saw outranks what the guest reported."""

import json
import signal
from dataclasses import replace
from typing import Any

import pytest

from lethe.sandbox import Status
from lethe.sandbox.cgroups import Usage
from lethe.sandbox.pipes import Reader
from lethe.sandbox.verdict import EndedRun, KillReason, judge

CALM = Usage(cpu_s=0.5, peak_memory_bytes=10, memory_hits=0, process_hits=0)


def reader(data: bytes = b"", keep_bytes: int = 1 << 16, total_bytes: int | None = None) -> Reader:
    return Reader(-1, keep_bytes, bytearray(data), len(data) if total_bytes is None else total_bytes)


def ended_run(claim: object = None, data: bytes = b"", **changes: Any) -> EndedRun:
    plain = EndedRun(
        wait_status=0,
        killed=None,
        usage=CALM,
        guest_cpu_s=0.25,
        wall_s=1.0,
        payload=reader(data),
        report=reader(json.dumps(claim).encode() if claim is not None else b""),
        stdout=reader(b"out"),
        stderr=reader(b"\xff"),
        source_lines=400,
    )
    return replace(plain, **changes)


OK = {"status": "ok", "payload_bytes": 3}


def test_ok() -> None:
    result = judge(ended_run(OK, b"abc"))
    assert (result.status, result.payload, result.error) == (Status.OK, b"abc", None)
    assert (result.cpu_s, result.peak_memory_bytes, result.stdout, result.stderr) == (0.5, 10, "out", "\ufffd")


def test_cpu_of_the_guest_without_a_group() -> None:
    assert judge(ended_run(OK, b"abc", usage=Usage(None, None, 0, 0))).cpu_s == 0.25


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"killed": KillReason.WALL}, Status.TIMEOUT),
        ({"killed": KillReason.CPU}, Status.TIMEOUT),
        ({"killed": KillReason.MEMORY}, Status.OUT_OF_MEMORY),
        ({"killed": KillReason.CANCELLED}, Status.CANCELLED),
        ({"killed": KillReason.PAYLOAD}, Status.OUTPUT_LIMIT),
        ({"killed": KillReason.FLOOD}, Status.OUTPUT_LIMIT),
        ({"killed": KillReason.WALL, "usage": replace(CALM, process_hits=1)}, Status.PROCESS_LIMIT),
        ({"killed": KillReason.CANCELLED, "usage": replace(CALM, process_hits=1)}, Status.CANCELLED),
        ({"usage": replace(CALM, memory_hits=1)}, Status.OUT_OF_MEMORY),
        ({"wait_status": None}, Status.OUT_OF_MEMORY),
        ({"wait_status": int(signal.SIGKILL)}, Status.KILLED),
        ({"wait_status": int(signal.SIGXCPU)}, Status.TIMEOUT),
        ({"wait_status": 64}, Status.KILLED),
        ({"wait_status": int(signal.SIGKILL), "usage": replace(CALM, process_hits=1)}, Status.PROCESS_LIMIT),
        ({"wait_status": 1 << 8}, Status.EXIT),
        ({"payload": reader(b"ab")}, Status.EXIT),
        ({"payload": reader(b"abc", keep_bytes=3, total_bytes=4)}, Status.OUTPUT_LIMIT),
        ({"report": reader(b"{", total_bytes=1 << 20)}, Status.EXIT),
    ],
)
def test_facts_outrank_the_claim_of_success(changes: dict[str, Any], status: Status) -> None:
    result = judge(ended_run(OK, **{"payload": reader(b"abc"), **changes}))
    assert (result.status, result.payload) == (status, None)
    assert result.error is not None
    assert result.error.message


@pytest.mark.parametrize(
    "claimed", ["exception", "exit", "import_error", "no_result", "invalid_result", "out_of_memory", "process_limit"]
)
def test_what_a_guest_may_say_of_itself(claimed: str) -> None:
    result = judge(ended_run({"status": claimed, "type": "T", "message": "m", "line": 3, "traceback": "t"}))
    assert result.status == claimed
    assert result.error is not None
    assert (result.error.type, result.error.message, result.error.line, result.error.traceback) == ("T", "m", 3, "t")


@pytest.mark.parametrize(
    "claim",
    [
        {"status": "timeout"},
        {"status": "cancelled"},
        {"status": "killed"},
        {"status": 3},
        {"status": ["ok"]},
        [],
        "ok",
        7,
    ],
)
def test_what_it_may_not_say_is_an_exit(claim: object) -> None:
    assert judge(ended_run(claim)).status is Status.EXIT


@pytest.mark.parametrize("line", [0, -1, 401, 2**31, True, "3", 1.5, None])
def test_lines_that_are_none(line: object) -> None:
    result = judge(ended_run({"status": "exception", "line": line}))
    assert result.error is not None
    assert result.error.line is None


def test_texts_are_bounded_and_encodable() -> None:
    result = judge(ended_run({"status": "exception", "type": 5, "message": "\udcff" * 9000, "traceback": ["x"]}))
    assert result.error is not None
    assert (result.error.type, result.error.traceback) == ("", "")
    assert len(result.error.message.encode("utf-8")) <= 6 * 4000


@pytest.mark.parametrize("report", [b"", b"{", b"\xff\xfe", b"[" * 60_000, b'{"status": "ok", "payload_bytes": 1e999}'])
def test_reports_that_are_none(report: bytes) -> None:
    assert judge(ended_run(report=reader(report))).status is Status.EXIT


def test_truncated_logs_say_so() -> None:
    result = judge(ended_run(OK, b"abc", stdout=reader(b"abc", keep_bytes=3, total_bytes=10)))
    assert (result.stdout_truncated, result.stderr_truncated) == (True, False)
    assert "10 bytes were written" in result.stdout
