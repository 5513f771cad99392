"""A queue to measure: a competition on PostgreSQL, and a running `lethe serve` with its participants and workers."""

import os
import subprocess
import sys
from datetime import timedelta
from uuid import uuid4

import httpx
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import insert, select, text

from lethe.evaluator.contract.prepared_competition import ArtifactRef
from lethe.evaluator.contract.specification import CompetitionSpec, EvaluationSpec, QuotasSpec
from lethe.evaluator.contract.states import Stage, WorkState
from lethe.evaluator.contract.work import Capabilities, Job, Outcome, RunRecord
from lethe.evaluator.worker.server_client import WorkClient
from lethe.server.competitions import service as competitions
from lethe.server.database.engine import Database
from lethe.server.models import ApiToken, Submission, Team, TeamMember, User, WorkItem
from lethe.server.models.times import utc_now
from lethe.server.queue import claims, queries, reports
from lethe.server.queue.estimates import deadline
from lethe.server.queue.worker_keys import create_worker_key
from lethe.server.security.credentials import TOKEN_PREFIX
from lethe.server.security.digests import digest_secret
from tests.conftest import free_port, wait_for_port
from tests.prepared_competitions import make_prepared_competition

CAPABILITIES = Capabilities(
    slots=1, sandbox_mode="benchmark", memory_bytes=2**36, gpu=None, torch="2.9.0", python="3.11.2"
)
RUNS, CHUNK_RUNS, TEAMS = 512, 16, 1000
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
            competition = competitions.create(session, self.spec, make_prepared_competition(ref, environment={}))
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
            job = claims.claim(session, "one", self.key_digest, lease_s=60, max_attempts=3, server_backend="")
        if job is not None:
            with self.database.write() as session:
                reports.report(session, outcome(job), self.key_digest, max_attempts=3)

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
        self.analyse()

    def analyse(self) -> None:
        """Let PostgreSQL count its rows now, as it does by itself within a minute."""
        with self.database.engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("ANALYZE"))

    def checks_wait(self) -> bool:
        """Whether any check waits."""
        waiting = select(WorkItem.id).where(WorkItem.state == WorkState.READY, WorkItem.stage == Stage.CHECK)
        with self.database.read() as session:
            return session.scalar(waiting.limit(1)) is not None

    def plan(self) -> str:
        """PostgreSQL's plan for the choice of the next item."""
        statement = queries.first_waiting.variant(Stage.CHECK).params(of_competition=self.competition_id, now=utc_now())
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
            subprocess.Popen([sys.executable, "-m", "lethe.server.cli", name], env=shared, **QUIET)
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
            files={"file": ("f.py", f"def unlearning(net, retain, forget, validation):\n    return net\n'{number}'\n")},
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
