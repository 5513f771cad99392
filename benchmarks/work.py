"""What the queue costs on PostgreSQL: claims and outcomes, alone and with 10,000 waiting submissions, and two workers.

Run it with nothing else on the machine: `python -m benchmarks.work [--chunks 200] [--queued 10000] [--naps 24]`. It
starts a PostgreSQL of its own and asks the service functions directly, so times are of the server's work, without HTTP.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

from sqlalchemy import insert, select, text
from sqlalchemy.orm import Session

from evaluator.contract.dossier import ArtifactRef
from evaluator.contract.specification import CompetitionSpec, EvaluationSpec, QuotasSpec
from evaluator.contract.states import Stage
from evaluator.contract.tasks import WORKER_POLL_S
from evaluator.contract.work import Capabilities, Job, Outcome, Registration, RunRecord
from server.competitions import service as competitions
from server.db import Database, utc_now
from server.migrate import migrate
from server.models import Submission, Team, User, WorkerKey, WorkItem
from server.work import queue, service, workers
from server.work.duration import deadline
from server.work.items import advance
from server.work.keys import create_worker_key
from tests.dossiers import make_dossier
from tests.system.chaos.services import Postgres

CAPABILITIES = Capabilities(
    slots=1, sandbox_mode="benchmark", memory_bytes=2**36, gpu=None, torch="2.9.0", python="3.11.2"
)
RUNS, CHUNK_RUNS, TEAMS = 512, 16, 1000
NAP_S = 0.25


class Bench:
    """A database with one competition, and what a worker and a participant ask of it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        evaluation = EvaluationSpec(runs=RUNS, oracles=RUNS, ceiling_oracles=RUNS, chunk_runs=CHUNK_RUNS)
        quotas = QuotasSpec(submissions_per_day=0, in_flight=0, attempts_per_day=0)
        self.spec = CompetitionSpec(slug="bench", title="Bench", evaluation=evaluation, quotas=quotas)
        ref = ArtifactRef(key="none", sha256="0" * 64)
        with database.write() as session:
            competition = competitions.create(session, self.spec, make_dossier(ref, environment={}))
            competition.opened_at = utc_now()
            create_worker_key(session, "bench")
            self.competition_id = competition.id
            names = [f"user{number}" for number in range(TEAMS)]
            users = [
                User(username=name, username_key=name, email=name, email_key=name, password_hash="") for name in names
            ]
            teams = [Team(competition_id=competition.id, name=name, name_key=name) for name in names]
            session.add_all([*users, *teams])
            session.flush()
            self.places = [(user.id, team.id) for user, team in zip(users, teams, strict=True)]

    def upload(self, number: int) -> None:
        """Accept one submission, as the endpoint does after the file was checked and stored."""
        user_id, team_id = self.places[number % TEAMS]
        with self.database.write() as session:
            submission = Submission(
                competition_id=self.competition_id,
                team_id=team_id,
                user_id=user_id,
                filename="f.py",
                source_key="none",
                source_sha256=f"{number:064d}",
                runs_total=RUNS,
                deadline_at=deadline(self.spec),
            )
            session.add(submission)
            session.flush()
            advance(session, submission, self.spec)
            queue.queue_position(session, submission)

    def claim(self, name: str) -> Job | None:
        with self.database.write() as session:
            key = self._key(session)
            return service.claim(session, workers.hear(session, key, name), lease_s=60, max_attempts=3)

    def report(self, job: Job) -> None:
        records = tuple(
            RunRecord(index=run.index, outputs=ArtifactRef(key=job.outputs_key(run.index), sha256="0" * 64), wall_s=1.0)
            for run in job.runs
        )
        finished = records if job.stage is Stage.RUN else ()
        outcome = Outcome(work_id=job.work_id, token=job.token, sandbox_mode="benchmark", finished=finished)
        with self.database.write() as session:
            service.report(session, outcome, self._key(session), max_attempts=3)

    def register(self, name: str) -> None:
        registration = Registration(worker=name, capabilities=CAPABILITIES)
        with self.database.write() as session:
            service.register(session, registration, self._key(session), lease_s=60, max_attempts=3)

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

    def plan(self) -> str:
        """PostgreSQL's plan for the choice of the next item."""
        statement = queue._first_item(self.competition_id, Stage.CHECK)
        compiled = statement.compile(self.database.engine, compile_kwargs={"literal_binds": True})
        with self.database.read() as session:
            return "\n".join(session.scalars(text(f"EXPLAIN (ANALYZE, COSTS OFF) {compiled}")).all())

    def _key(self, session: Session) -> WorkerKey:
        return session.scalars(select(WorkerKey)).one()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, default=200, help="claims and outcomes to measure, each time")
    parser.add_argument("--queued", type=int, default=10_000, help="submissions that wait")
    parser.add_argument("--naps", type=int, default=32, help="chunks of the batch for one and for two workers")
    parser.add_argument("--recovery", action="store_true", help="also wait for a lease of the default length to end")
    arguments = parser.parse_args()
    postgres = Postgres()
    database = Database(postgres.url)
    try:
        migrate(database)
        bench = Bench(database)
        bench.register("one")
        bench.register("two")
        measure(bench, arguments.chunks, arguments.queued)
        compare_workers(bench, arguments.naps)
        if arguments.recovery:
            measure_recovery(bench)
    finally:
        database.dispose()
        postgres.close()


def measure(bench: Bench, chunks: int, queued: int) -> None:
    """Uploads, claims and outcomes with a short queue and with a long one, in turns so that both meet the same load."""
    short = cycle(bench, chunks, first=0)
    row("claim, short queue, median", short["claim"] * 1e3, "ms")
    row("outcome, short queue, median", short["outcome"] * 1e3, "ms")
    row("claim and outcome, per chunk", (short["claim"] + short["outcome"]) * 1e3, "ms")
    bench.fill(queued)
    long = cycle(bench, chunks, first=chunks)
    for name in ("upload", "claim", "outcome"):
        row(f"{name} with {queued} queued over short queue", long[name] / short[name], "times")
    print(bench.plan())


def cycle(bench: Bench, chunks: int, *, first: int) -> dict[str, float]:
    """Median seconds of `chunks` uploads, and of as many claims and outcomes of what there is."""
    times: dict[str, list[float]] = {"upload": [], "claim": [], "outcome": []}
    for number in range(first, first + chunks):
        times["upload"].append(timed(lambda: bench.upload(number)))  # noqa: B023 - called at once
        jobs: list[Job | None] = []
        times["claim"].append(timed(lambda: jobs.append(bench.claim("one"))))  # noqa: B023
        job = jobs[0]
        if job is None:
            raise RuntimeError("there is nothing to claim")
        times["outcome"].append(timed(lambda: bench.report(job)))  # noqa: B023
    return {name: statistics.median(values) for name, values in times.items()}


def compare_workers(bench: Bench, naps: int) -> None:
    """How much quicker two workers finish a batch of chunks that only sleep."""

    def work(name: str, count: int) -> None:
        for _ in range(count):
            job = bench.claim(name)
            time.sleep(NAP_S)
            if job is not None:
                bench.report(job)

    one_s = timed(lambda: work("one", naps))
    with ThreadPoolExecutor(2) as pool:
        two_s = timed(lambda: list(pool.map(work, ("one", "two"), (naps // 2, naps - naps // 2))))
    row(f"{naps} sleeping chunks, one worker", one_s, "s")
    row("one worker over two", one_s / two_s, "times")


def measure_recovery(bench: Bench) -> None:
    """From the death of a worker, which is never heard again, to the claim of its chunk by another one that polls."""
    dead = bench.claim("one")
    started = time.monotonic()
    while (job := bench.claim("two")) is not None and dead is not None and job.work_id != dead.work_id:
        bench.report(job)
        time.sleep(WORKER_POLL_S / 10)
    row("recovery after SIGKILL, elsewhere", time.monotonic() - started, "s")


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
