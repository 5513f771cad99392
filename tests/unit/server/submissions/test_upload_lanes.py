"""Nobody takes all parser processes: one file of an account at a time, and checks leave room for uploads."""

import threading
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import anyio
import pytest

from lethe.server.context import Context, create_context
from lethe.server.http.rate_limit import TooManyRequests
from lethe.server.settings import Settings
from lethe.server.submissions import parser_pool, upload_body
from lethe.server.submissions.parser_pool import measured
from lethe.server.submissions.static_check import RefusedFile, check_source
from lethe.server.submissions.upload_body import run_in_upload_thread


@pytest.fixture
def context(tmp_path: Path) -> Iterator[Context]:
    context = create_context(Settings(home=tmp_path))
    yield context
    context.dispose()


def test_one_account_holds_one_lane_and_checks_hold_one(context: Context) -> None:
    gate = threading.Event()
    running: list[str] = []

    def work(name: str) -> None:
        running.append(name)
        assert gate.wait(60)

    async def scenario() -> None:
        one, others = uuid4(), [uuid4() for _ in range(parser_pool.AT_ONCE)]
        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(lambda: run_in_upload_thread(context, one, work, "one"))
            for other in others[:2]:
                group.start_soon(lambda other=other: run_in_upload_thread(context, other, work, "check", is_check=True))
            for other in others[2:]:
                group.start_soon(lambda other=other: run_in_upload_thread(context, other, work, "upload"))
            with anyio.fail_after(60):
                while len(running) < 4:
                    await anyio.sleep(0.01)
            assert sorted(running) == ["check", "one", "upload", "upload"]
            gate.set()
        assert sorted(running) == ["check"] * 2 + ["one"] * 4 + ["upload"] * 2

    anyio.run(scenario)


def test_files_of_an_account_that_wait_are_bounded(context: Context) -> None:
    gate = threading.Event()

    async def scenario() -> None:
        account = uuid4()
        refused = 0

        async def send() -> None:
            nonlocal refused
            try:
                await run_in_upload_thread(context, account, gate.wait, 60)
            except TooManyRequests:
                refused += 1

        async with anyio.create_task_group() as group:
            for _ in range(upload_body.WAITING + 5):
                group.start_soon(send)
            with anyio.fail_after(60):
                while refused < 4:
                    await anyio.sleep(0.01)
            gate.set()
        assert refused == 4

    anyio.run(scenario)


@pytest.mark.slow
def test_what_parsing_costs_is_measured_also_of_what_is_refused() -> None:
    with measured() as spent:
        check_source(b"def unlearning(net, retain, forget, validation):\n    return net\n", limit_bytes=1000)
    cheap = spent.cpu_s
    with measured() as spent, pytest.raises(RefusedFile):
        check_source(b"x = " + b"[" * 60 + b"0," * 2**19 + b"]" * 60, limit_bytes=2 * 2**20)
    assert spent.cpu_s > 10 * cheap
    assert 0 <= cheap < 1
