"""What the queue costs on PostgreSQL: claims and outcomes, alone and with 10,000 waiting submissions, and two workers.

Run it with nothing else on the machine: `python -m benchmarks.work [--chunks 200] [--queued 10000] [--naps 32]`. It
starts a PostgreSQL, a Redis and a `lethe serve` of its own, whose requests come over HTTP. Server time is what `serve`
itself measures from a request to its answer (`lethe_request_seconds`), commits included; PostgreSQL waits for the disk
at each, so that part is shown as well.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Row, event, insert, select, text

from evaluator.client import WorkClient
from evaluator.contract.dossier import ArtifactRef
from evaluator.contract.specification import CompetitionSpec, EvaluationSpec, QuotasSpec
from evaluator.contract.states import Stage, WorkState
from evaluator.contract.tasks import WORKER_POLL_S
from evaluator.contract.work import Capabilities, Job, Outcome, RunRecord
from server.auth import TOKEN_PREFIX
from server.competitions import service as competitions
from server.db import Database, utc_now
from server.digests import digest_secret
from server.logs import configure_logs
from server.migrate import migrate
from server.models import ApiToken, Submission, Team, TeamMember, User, WorkItem
from server.work import queue, service, workers
from server.work.duration import deadline
from server.work.keys import create_worker_key
from tests.conftest import free_port, wait_for_port
from tests.dossiers import make_dossier
from tests.system.chaos.services import Postgres, Redis

CAPABILITIES = Capabilities(
    slots=1, sandbox_mode="benchmark", memory_bytes=2**36, gpu=None, torch="2.9.0", python="3.11.2"
)
RUNS, CHUNK_RUNS, TEAMS = 512, 16, 1000
NAP_S = 0.25
QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


class Bench:
    """A database with one competition, and what a worker and a participant ask of it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        evaluation = EvaluationSpec(runs=RUNS, oracles=RUNS, ceiling_oracles=RUNS, chunk_runs=CHUNK_RUNS)
        quotas = QuotasSpec(submissions_per_day=0, in_flight=0, attempts_per_day=0)
        self.spec = CompetitionSpec(slug="bench", title="Bench", evaluation=evaluation, quotas=quotas)
        ref = ArtifactRef(key="none", sha256="0" * 64)
        with database.write() as session:
            session.execute(text("ALTER DATABASE lethe SET track_wal_io_timing = on"))
            competition = competitions.create(session, self.spec, make_dossier(ref, environment={}))
            competition.opened_at = utc_now()
            self.key = create_worker_key(session, "bench")
            self.key_digest = digest_secret(self.key)
            self.competition_id = competition.id
            names = [f"user{number}" for number in range(TEAMS)]
            users = [
                User(username=name, username_key=name, email=name, email_key=name, password_hash="") for name in names
            ]
            teams = [Team(competition_id=competition.id, name=name, name_key=name) for name in names]
            session.add_all([*users, *teams])
            session.flush()
            self.places = [(user.id, team.id) for user, team in zip(users, teams, strict=True)]
            for number, (user_id, team_id) in enumerate(self.places):
                places = {"competition_id": competition.id, "user_id": user_id}
                digest, expires_at = digest_secret(token(number)), utc_now() + timedelta(days=1)
                session.add(TeamMember(**places, team_id=team_id))
                session.add(ApiToken(user_id=user_id, name="bench", digest=digest, expires_at=expires_at))

    def take_up(self) -> None:
        """Claim and report one item by the service functions themselves, without HTTP."""
        with self.database.write() as session:
            worker = workers.hear(session, self.key_digest, "one")
            job = service.claim(session, worker, lease_s=60, max_attempts=3)
        if job is not None:
            with self.database.write() as session:
                service.report(session, outcome(job), self.key_digest, max_attempts=3)

    def fill(self, count: int) -> None:
        """`count` more queued submissions, written in bulk at the places that uploads would have given them."""
        now = utc_now()
        submissions, items = [], []
        with self.database.write() as session:
            for number in range(count):
                user_id, team_id = self.places[number % TEAMS]
                identifier = uuid4()
                submissions.append(
                    {
                        "id": identifier, "competition_id": self.competition_id, "team_id": team_id,
                        "user_id": user_id, "filename": "f.py", "source_key": "none",
                        "source_sha256": f"q{number:063d}", "runs_total": RUNS, "deadline_at": deadline(self.spec),
                    }
                )  # fmt: skip
                items.append(
                    {
                        "submission_id": identifier, "competition_id": self.competition_id, "team_id": team_id,
                        "generation": 0, "stage": Stage.CHECK, "chunk": 0, "first_run": 0, "run_count": 1,
                        "turn": 1000 + number // TEAMS, "created_at": now,
                    }
                )  # fmt: skip
            session.execute(insert(Submission), submissions)
            session.execute(insert(WorkItem), items)
        with self.database.engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("ANALYZE"))

    def checks_wait(self) -> bool:
        """Whether any check waits."""
        waiting = select(WorkItem.id).where(WorkItem.state == WorkState.READY, WorkItem.stage == Stage.CHECK)
        with self.database.read() as session:
            return session.scalar(waiting.limit(1)) is not None

    def plan(self) -> str:
        """PostgreSQL's plan for the choice of the next item."""
        statement = queue._first_item(Stage.CHECK).params(competition_id=self.competition_id)
        compiled = statement.compile(self.database.engine, compile_kwargs={"literal_binds": True})
        with self.database.read() as session:
            return "\n".join(session.scalars(text(f"EXPLAIN (ANALYZE, COSTS OFF) {compiled}")).all())


def token(number: int) -> str:
    """Of the user with this number."""
    return f"{TOKEN_PREFIX}bench{number}"


def outcome(job: Job) -> Outcome:
    """The end of a job that did all its runs."""
    finished = tuple(
        RunRecord(index=run.index, outputs=ArtifactRef(key=job.outputs_key(run.index), sha256="0" * 64), wall_s=1.0)
        for run in (job.runs if job.stage is Stage.RUN else ())
    )
    return Outcome(work_id=job.work_id, token=job.token, sandbox_mode="benchmark", finished=finished)


class Server:
    """A running `lethe serve` and `lethe control`, and workers' clients of it."""

    def __init__(self, database_url: str, broker_url: str, home: str, key: str) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._key = key
        shared = {name: value for name, value in os.environ.items() if not name.startswith("LETHE_")} | {
            "LETHE_HOME": home,
            "LETHE_PORT": str(port),
            "LETHE_DATABASE_URL": database_url,
            "LETHE_BROKER_URL": broker_url,
            "LETHE_RATE_PER_ADDRESS": "",
            "LETHE_ATTEMPTS_PER_ADDRESS": "0",
        }
        self._processes = [
            subprocess.Popen([sys.executable, "-m", "server.cli", name], env=shared, **QUIET)
            for name in ("serve", "control")
        ]
        wait_for_port(port, 60)
        self._client = httpx.Client(timeout=60)

    def close(self) -> None:
        self._client.close()
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.wait()

    def worker(self, name: str) -> WorkClient:
        """A registered worker's side."""
        client = WorkClient(self.url, self._key, name)
        client.register(CAPABILITIES)
        return client

    def upload(self, number: int) -> None:
        """Upload a file of its own, from the user whose turn it is."""
        answer = self._client.post(
            f"{self.url}/api/v1/competitions/bench/submissions",
            headers={"Authorization": f"Bearer {token(number % TEAMS)}"},
            files={"file": ("f.py", f"def unlearning(net, retain, forget, validation):\n    return net  # {number}\n")},
        )
        answer.raise_for_status()

    def spent(self, call: str) -> tuple[float, float]:
        """How often the server answered `call`, and its seconds for that."""
        answer = httpx.get(f"{self.url}/metrics", timeout=60).text
        count = total_s = 0.0
        for family in text_string_to_metric_families(answer):
            for sample in family.samples:
                if sample.labels.get("route") == f"/internal/v1/work/{call}":
                    count += sample.value if sample.name.endswith("_count") else 0
                    total_s += sample.value if sample.name.endswith("_sum") else 0
        return count, total_s


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
    with disk_wait(bench) as waits:
        claim_s, outcome_s = chunk_cycle(bench, server, chunks)
    row("claim of a chunk of runs, server time, mean", claim_s * 1e3, "ms")
    row("its outcome, server time, mean", outcome_s * 1e3, "ms")
    row("claim and outcome, server time per chunk", (claim_s + outcome_s) * 1e3, "ms")
    row("  of that PostgreSQL waiting for the disk", 2 * waits[0], "ms")
    short = cycle(server, chunks, first=20)
    bench.fill(queued)
    long = cycle(server, chunks, first=20 + chunks)
    for name in ("upload", "claim", "outcome"):
        row(f"{name} with {queued} queued over short queue", long[name] / short[name], "times")
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
    """Claim what is next, and say at once that it is done."""
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


def count_statements(bench: Bench, times: int = 100) -> None:
    """Statements of a claim and an outcome together, and the milliseconds spent on them."""
    spent: list[float] = []

    def begun(*call: Any) -> None:  # connection, cursor, statement, values, context, many
        call[4].started = time.perf_counter()

    def executed(*call: Any) -> None:
        spent.append(time.perf_counter() - call[4].started)

    event.listen(bench.database.engine, "before_cursor_execute", begun)
    event.listen(bench.database.engine, "after_cursor_execute", executed)
    for _ in range(times):
        bench.take_up()
    row("statements per claim and outcome", len(spent) / times, "")
    row("time in them", 1e3 * sum(spent) / times, "ms")


def measure_recovery(server: Server) -> None:
    """From the death of a worker, which is never heard again, to the claim of its chunk by another one that is busy."""
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
