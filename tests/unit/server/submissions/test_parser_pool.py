"""Parser processes: what is costly is killed alone, and a killed process is replaced."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from lethe.server.submissions import parser_pool
from lethe.server.submissions.static_check import RefusedFile, check_source

GOOD = b"def unlearning(net, retain, forget, validation):\n    return net\n"
COSTLY = {
    "a megabyte of f-string": b'x = f"' + b"{a}" * 350_000 + b'"\n' + GOOD,
    "deep nesting": b"x = " + b"-" * 900_000 + b"1\n" + GOOD,
}


@pytest.mark.slow
@pytest.mark.parametrize("source", COSTLY.values(), ids=COSTLY.keys())
def test_what_costs_too_much_to_parse_is_refused(source: bytes) -> None:
    with pytest.raises(RefusedFile) as refusal:
        check_source(source, limit_bytes=2 * 2**20)
    assert refusal.value.code == "too_complex"
    assert check_source(GOOD, limit_bytes=2 * 2**20) == []


def test_the_wall_clock_ends_a_parser_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parser_pool, "WALL_LIMIT_S", 0.0)
    with pytest.raises(RefusedFile) as refusal:
        check_source(GOOD, limit_bytes=1000)
    assert refusal.value.code == "too_complex"


def test_a_killed_process_is_replaced() -> None:
    check_source(GOOD, limit_bytes=1000)
    victim = parser_pool._idle[-1]._process
    os.kill(victim.pid, signal.SIGKILL)
    os.waitid(os.P_PID, victim.pid, os.WEXITED | os.WNOWAIT)
    assert check_source(GOOD, limit_bytes=1000) == []


def test_processes_are_few_and_kept() -> None:
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda number: check_source(GOOD + b"#" * number, limit_bytes=1000), range(64)))
    assert 1 <= len(parser_pool._idle) <= parser_pool.AT_ONCE
