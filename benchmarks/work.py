"""The cost of the queue on PostgreSQL: claims and outcomes, alone and with 10,000 queued submissions, and two workers.

Run it with nothing else on the machine: `python -m benchmarks.work [--chunks 200] [--queued 10000] [--naps 32]`. It
starts a PostgreSQL, a Redis and a `lethe serve` of its own, whose requests come over HTTP. Server time is what `serve`
itself measures from the last byte of a request to the first of its answer (`lethe_request_seconds`), commits included;
PostgreSQL waits for the disk at each, so that part is shown as well, and what is left without HTTP, JSON and the log.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from typing import Any

from sqlalchemy import Row, event, text

from benchmarks.goals import note
from benchmarks.load.queue import Bench, Server, outcome
from lethe.evaluator.contract.tasks import WORKER_POLL_S
from lethe.evaluator.worker.server_client import WorkClient
from lethe.server.database.engine import Database
from lethe.server.database.migration import migrate
from lethe.server.logs import configure_logs
from tests.system.chaos.services import Postgres, Redis

NAP_S = 0.25


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, default=200, help="claims and outcomes to measure, each time")
    parser.add_argument("--queued", type=int, default=10_000, help="submissions that wait")
    parser.add_argument("--naps", type=int, default=32, help="chunks of the batch for one and for two workers")
    parser.add_argument("--recovery", action="store_true", help="also wait for a lease of the default length to end")
    arguments = parser.parse_args()
    configure_logs(level="WARNING", log_format="text")
    with ExitStack() as stack:
        postgres = stack.enter_context(closing(Postgres()))
        redis = stack.enter_context(closing(Redis()))
        database = Database(postgres.url)
        stack.callback(database.dispose)
        migrate(database)
        bench = Bench(database)
        home = stack.enter_context(tempfile.TemporaryDirectory(prefix="lethe-bench-"))
        server = stack.enter_context(closing(Server(postgres.url, redis.url, home, bench.key)))
        measure(bench, server, arguments.chunks, arguments.queued)
        compare_workers(server, arguments.naps)
        count_statements(bench)
        if arguments.recovery:
            measure_recovery(server)


def measure(bench: Bench, server: Server, chunks: int, queued: int) -> None:
    """Claims and outcomes of chunks of runs; then uploads, claims and outcomes of checks beside a long queue."""
    cycle(server, 20, first=0)  # connections, prepared statements
    bench.analyse()
    with disk_wait(bench) as waits:
        claim_s, outcome_s = chunk_cycle(bench, server, chunks)
    row("claim of a chunk of runs, server time, mean", claim_s * 1e3, "ms")
    row("its outcome, server time, mean", outcome_s * 1e3, "ms")
    row("claim and outcome, server time per chunk", (claim_s + outcome_s) * 1e3, "ms")
    note("work", "claim and outcome of a chunk", (claim_s + outcome_s) * 1e3, "ms", at_most=5)
    row("  of that PostgreSQL waiting for the disk", 2 * waits[0], "ms")
    row("claim and outcome by the service itself, no HTTP", timed(lambda: take_up(bench, chunks)) / chunks * 1e3, "ms")
    short = cycle(server, chunks, first=20)
    bench.fill(queued)
    long = cycle(server, chunks, first=20 + chunks)
    for name in ("upload", "claim", "outcome"):
        row(f"{name} with {queued} queued over short queue", long[name] / short[name], "times")
        note("work", f"{name}, long queue over short", long[name] / short[name], at_most=1.2)
    print(bench.plan())


def chunk_cycle(bench: Bench, server: Server, chunks: int) -> tuple[float, float]:
    """The server's seconds for a claim and for an outcome of a chunk of runs, means of `chunks` each."""
    with closing(server.worker("one")) as worker:
        while bench.checks_wait():
            take(worker)
        before = {name: server.spent(name) for name in ("claim", "outcome")}
        for _ in range(chunks):
            take(worker)
    return _mean_s(server, before["claim"], "claim"), _mean_s(server, before["outcome"], "outcome")


def take(worker: WorkClient) -> None:
    """Claim the next item, and report at once that it is done."""
    job = worker.claim()
    if job is None:
        raise RuntimeError("there is nothing to claim")
    worker.report(outcome(job))


def cycle(server: Server, chunks: int, *, first: int) -> dict[str, float]:
    """Seconds of an upload (median), and of the server for a claim and an outcome (means), `chunks` times each."""
    before = {name: server.spent(name) for name in ("claim", "outcome")}
    uploads = []
    with closing(server.worker("one")) as worker:
        for number in range(first, first + chunks):
            uploads.append(timed(lambda: server.upload(number)))  # noqa: B023 - called at once
            take(worker)
    spent = {name: _mean_s(server, past, name) for name, past in before.items()}
    return {"upload": statistics.median(uploads), **spent}


def _mean_s(server: Server, before: tuple[float, float], call: str) -> float:
    count, total_s = server.spent(call)
    return (total_s - before[1]) / (count - before[0])


@contextmanager
def disk_wait(bench: Bench) -> Iterator[list[float]]:
    """Gives the milliseconds that PostgreSQL waited for the disk per commit, at the end of the block."""

    def read() -> Row[Any]:
        time.sleep(1.5)  # backends tell their statistics once a second
        with bench.database.read() as session:
            return session.execute(text("SELECT wal_sync, wal_sync_time FROM pg_stat_wal")).one()

    found: list[float] = []
    syncs, waited_ms = read()
    yield found
    syncs_now, waited_now_ms = read()
    found.append((waited_now_ms - waited_ms) / max(1, syncs_now - syncs))


def compare_workers(server: Server, naps: int) -> None:
    """How much quicker two workers finish a batch of chunks that only sleep."""

    def work(name: str, count: int) -> None:
        with closing(server.worker(name)) as worker:
            for _ in range(count):
                job = worker.claim()
                time.sleep(NAP_S)
                if job is not None:
                    worker.report(outcome(job))

    one_s = timed(lambda: work("one", naps))
    with ThreadPoolExecutor(2) as pool:
        two_s = timed(lambda: list(pool.map(work, ("one", "two"), (naps // 2, naps - naps // 2))))
    row(f"{naps} sleeping chunks, one worker", one_s, "s")
    row("one worker over two", one_s / two_s, "times")
    note("work", "one worker over two", one_s / two_s, at_least=1.9)


def count_statements(bench: Bench, times: int = 100) -> None:
    """Statements of a claim and an outcome together, and the milliseconds spent on them."""
    spent: list[float] = []

    def begun(*call: Any) -> None:  # connection, cursor, statement, values, context, many
        call[4].started = time.perf_counter()

    def executed(*call: Any) -> None:
        spent.append(time.perf_counter() - call[4].started)

    event.listen(bench.database.engine, "before_cursor_execute", begun)
    event.listen(bench.database.engine, "after_cursor_execute", executed)
    take_up(bench, times)
    row("statements per claim and outcome", len(spent) / times, "")
    row("time in them", 1e3 * sum(spent) / times, "ms")
    row("two transactions of one SELECT 1 each", 2e3 * timed(lambda: select_one(bench, times)) / times, "ms")


def take_up(bench: Bench, times: int) -> None:
    """Claims and outcomes in this process."""
    for _ in range(times):
        bench.take_up()


def select_one(bench: Bench, times: int) -> None:
    """The least that a claim or an outcome can cost, `times` times."""
    for _ in range(times):
        with bench.database.write() as session:
            session.execute(text("SELECT 1"))


def measure_recovery(server: Server) -> None:
    """The time from the death of a worker to the claim of its chunk by another one that is busy."""
    with closing(server.worker("dead")) as dead, closing(server.worker("two")) as two:
        lost = dead.claim()
        started = time.monotonic()
        while lost is not None and (job := two.claim()) is not None and job.work_id != lost.work_id:
            time.sleep(WORKER_POLL_S / 10)
            two.report(outcome(job))
        row("recovery after SIGKILL, by another worker", time.monotonic() - started, "s")


def timed(call: Callable[[], object]) -> float:
    """Seconds that `call` takes."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def row(name: str, value: float, unit: str) -> None:
    """Print one line of the table."""
    print(f"{name:<50} {value:>9.2f} {unit}")


if __name__ == "__main__":
    main()
