"""A real uvicorn on a real database, with a small competition whose oracles are drawn, not trained."""

import io
import shutil
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psycopg
import pytest
import uvicorn
from fastapi import FastAPI
from PIL import Image
from safetensors.numpy import save
from sqlalchemy import update

from lethe.evaluator.artifacts import ArtifactStore
from lethe.evaluator.artifacts.oracles import ModelRecord, identity_key, record_key
from lethe.evaluator.artifacts.outputs import Outputs, write_outputs
from lethe.evaluator.contract.audits import AuditQuantity, AuditRecord
from lethe.evaluator.contract.bank import BankIdentity
from lethe.evaluator.contract.prepared_competition import ArtifactRef, PreparedCompetition
from lethe.evaluator.contract.specification import CompetitionSpec, EvaluationSpec, LeaksSpec, QuotasSpec, TrainingSpec
from lethe.evaluator.contract.states import WorkState
from lethe.evaluator.contract.work import Job, RunRecord
from lethe.server.app import create_app
from lethe.server.competitions import service
from lethe.server.context import Context, create_context
from lethe.server.database.migration import migrate
from lethe.server.hosting.calibration import calibrate
from lethe.server.http import rate_limit
from lethe.server.http.protocol import BoundedHttp
from lethe.server.models import WorkItem
from lethe.server.models.times import utc_now
from lethe.server.monitoring import endpoints, prometheus
from lethe.server.queue.leases import expire_leases
from lethe.server.queue.worker_keys import create_worker_key
from lethe.server.scoring.scorer import Scorer
from lethe.server.settings import Settings
from tests.conftest import new_database
from tests.prepared_competitions import COUNTS, make_prepared_competition

SLUG = "faces"
RUNS = 8
CLASSES = 3
FORGET = 10
GOOD = b"def unlearning(net, retain, forget, validation):\n    return net\n"
BANK = "b" * 64
CAPABILITIES = {
    "slots": 2, "sandbox_mode": "test", "memory_bytes": 2**34, "gpu": None, "torch": "2.9.0", "python": "3.11.2",
}  # fmt: skip
AUDITED = 4.7114711  # the margin that the audit of the first run finds; every other run has one more
SECRET = "5e" * 32  # drawn at creation otherwise; a fixed one makes the scores of these tests repeatable


NO_QUOTAS = QuotasSpec(submissions_per_day=0, submissions_total=0, in_flight=0, attempts_per_day=0)


def spec(**changes: Any) -> CompetitionSpec:
    """The competition of these tests; without quotas, and ends that show at once, unless the test is about them."""
    evaluation = EvaluationSpec(runs=RUNS, oracles=RUNS, ceiling_oracles=RUNS, chunk_runs=3)
    leaks = LeaksSpec(step_s=0)
    given: dict[str, Any] = {
        "slug": SLUG, "title": "Faces", "evaluation": evaluation, "quotas": NO_QUOTAS, "leaks": leaks
    }  # fmt: skip
    return CompetitionSpec(**given | changes)


def drawn_outputs(seed: int, shift: float = 0.0) -> Outputs:
    """Outputs of a model that does not exist: logits around a fixed truth, moved by `shift`."""
    generator = np.random.default_rng(seed)
    truth = np.random.default_rng(0).normal(size=(FORGET, CLASSES))
    logits = (truth + shift + generator.normal(scale=0.7, size=truth.shape)).astype(np.float32)
    logits[:, 0] += np.float32(shift)
    accuracy = {"retain": 0.9, "forget": 0.5, "validation": 0.6, "test": 0.6}
    return Outputs(logits=dict.fromkeys(("forget", "test", "retain"), logits), accuracy=accuracy)


def store_oracles(store: ArtifactStore, indices: Iterable[int]) -> None:
    """Store drawn oracles of the bank."""
    for index in indices:
        outputs = store.put(f"banks/{BANK}/outputs/{index}.safetensors", write_outputs(drawn_outputs(index)))
        record = ModelRecord(index=index, seed=index, checkpoint=outputs, outputs=outputs, wall_s=1.0, processor="test")
        store.put(record_key(BANK, index), record.model_dump_json().encode())


def prepare_competition(context: Context) -> PreparedCompetition:
    """A prepared_competition whose bank and evaluation bundle are really stored."""
    store = context.artifacts
    labels = np.arange(FORGET) % CLASSES
    parts = {f"{part}.labels": labels for part in ("forget", "test", "retain_sample")}
    evaluation = store.put("evaluation.safetensors", save({**parts, "forget.person_id": labels}))
    store_oracles(store, range(2 * RUNS))
    picture = io.BytesIO()
    Image.new("RGB", (64, 48)).save(picture, "PNG")
    other = store.put("other", picture.getvalue())  # also the contact sheet
    return make_prepared_competition(
        other,
        environment={"torch": "none"},
        evaluation=evaluation,
        original_outputs=store.put("original-outputs", write_outputs(drawn_outputs(999, shift=3.0))),
        bank_digest=BANK,
        counts=COUNTS.model_copy(update={"classes": CLASSES, "forget": FORGET}),
    )


@dataclass
class Site:
    """A running server and what tests do to it."""

    url: str
    context: Context
    worker_key: str
    app: FastAPI

    def client(self, token: str | None = None) -> httpx.Client:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(base_url=f"{self.url}/api/v1", headers=headers, timeout=30)

    def register(self, name: str) -> httpx.Client:
        """A client with the token of a new account."""
        body = {"username": name, "email": f"{name}@example.org", "password": "correct horse"}
        with self.client() as client:
            answer = client.post("/users", json=body)
        assert answer.status_code == 201, answer.text
        return self.client(answer.json()["token"])

    def work(self, call: str, **body: Any) -> httpx.Response:
        """One call of the internal API."""
        with httpx.Client(base_url=f"{self.url}/internal/v1/work", timeout=30) as client:
            return client.post(f"/{call}", json=body, headers={"Authorization": f"Bearer {self.worker_key}"})

    def send(self, call: str, body: bytes) -> httpx.Response:
        """One call of the internal API with any bytes."""
        headers = {"Authorization": f"Bearer {self.worker_key}", "Content-Type": "application/json"}
        with httpx.Client(base_url=f"{self.url}/internal/v1/work", timeout=30) as client:
            return client.post(f"/{call}", content=body, headers=headers)

    def enlist(self, worker: str = "w1", **capabilities: Any) -> httpx.Response:
        """Register a worker."""
        return self.work("register", worker=worker, capabilities=CAPABILITIES | capabilities)

    def claim(self, worker: str = "w1") -> Job | None:
        answer = self.work("claim", worker=worker)
        if answer.status_code == 409:
            assert self.enlist(worker).status_code == 200
            answer = self.work("claim", worker=worker)
        assert answer.status_code in {200, 204}, answer.text
        return Job.model_validate(answer.json()) if answer.status_code == 200 else None

    def begin_runs(self) -> Job:
        """The check passes, and the first chunk of runs is claimed."""
        check = self.claim()
        assert check is not None
        assert self.report(check)
        job = self.claim()
        assert job is not None
        return job

    def store_runs(self, job: Job, shift: float = 2.5) -> list[dict[str, Any]]:
        """Records of the job's runs, with outputs really stored."""
        records = []
        for order in job.runs:
            key = job.outputs_key(order.index)
            ref: ArtifactRef = self.context.artifacts.put(key, write_outputs(drawn_outputs(order.seed % 2**32, shift)))
            audit = self.store_audit(job, order.index) if job.is_audited(order.index) else None
            record = RunRecord(index=order.index, outputs=ref, wall_s=0.1, audit=audit)
            records.append(record.model_dump(mode="json"))
        return records

    def store_audit(self, job: Job, index: int) -> ArtifactRef:
        """An audit of a run, really stored."""
        record = AuditRecord(place=index, quantities={AuditQuantity.FORGET_MARGIN: AUDITED + index}, wall_s=0.1)
        stored: ArtifactRef = self.context.artifacts.put(job.audit_key(index), record.model_dump_json().encode())
        return stored

    def report(self, job: Job, **more: Any) -> bool:
        body = {"work_id": str(job.work_id), "token": job.token, "sandbox_mode": "test", "environment": {"x": "1"}}
        answer = self.work("outcome", **body, **more)
        assert answer.status_code == 200, answer.text
        accepted: bool = answer.json()["accepted"]
        return accepted

    def change_specification(self, **changes: Any) -> None:
        """Store another specification of the competition."""
        with self.context.database.write() as session:
            service.get_competition(session, SLUG).specification = spec(**changes).model_dump(mode="json")

    def expire_leases(self) -> None:
        """Let all leases run out, and let it be noticed; postponed work becomes available."""
        with self.context.database.write() as session:
            session.execute(
                update(WorkItem).where(WorkItem.state == WorkState.LEASED).values(lease_expires_at=utc_now())
            )
            session.execute(update(WorkItem).values(available_at=None))
        with self.context.database.write() as session:
            expire_leases(session, max_attempts=self.context.settings.max_attempts)

    def evaluate(self, shift: float = 2.5) -> None:
        """Do all the work there is, as worker and control would."""
        while (job := self.claim()) is not None:
            finished = [] if job.stage == "check" else self.store_runs(job, shift)
            assert self.report(job, finished=finished)
        scorer = Scorer(self.context, "test")
        while scorer.score_next():
            pass


def store_identity(site: Site) -> BankIdentity:
    """Say in the store what the bank is made of, as seeding does."""
    with site.context.database.read() as session:
        prepared = service.prepared_competition(service.get_competition(session, SLUG)).public
    identity = BankIdentity(
        visible=prepared.visible,
        evaluation=prepared.evaluation,
        parts=("retain",),
        architecture="resnet-small",
        classes=CLASSES,
        recipe=TrainingSpec(),
        batch_size=64,
        torch="2.9.0",
    )
    site.context.artifacts.put(identity_key(BANK), identity.model_dump_json().encode())
    return identity


def upload(client: httpx.Client, data: bytes = GOOD, name: str = "mine.py", **headers: str) -> httpx.Response:
    return client.post(f"/competitions/{SLUG}/submissions", files={"file": (name, data)}, headers=headers)


@dataclass(frozen=True)
class Template:
    """A migrated home with the competition in it, which every test starts from a copy of."""

    home: Path
    database_url: str
    worker_key: str

    def copy_to(self, settings: Settings) -> None:
        """Make home and database of `settings` such a copy. A database of PostgreSQL may exist, but not be in use."""
        shutil.copytree(self.home, settings.home)
        if self.database_url.startswith("sqlite"):
            shutil.copyfile(self.database_url.removeprefix("sqlite:///"), settings.database.removeprefix("sqlite:///"))
            return
        server, _, name = settings.database.rpartition("/")
        with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name}".encode())
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {self.database_url.rpartition('/')[2]}".encode())


def make_template(folder: Path, database_url: str) -> Template:
    """Migrate the database, and store the competition there and in a home below `folder`."""
    settings = Settings(home=folder / "home", database_url=database_url)
    context = create_context(settings)
    migrate(context.database)
    prepared = prepare_competition(context)
    with context.database.write() as session:
        competition = service.create(session, spec(), prepared)
        competition.opened_at = utc_now()
        competition.secret = SECRET
        worker_key = create_worker_key(session, "tests")
    calibrate(context, SLUG)
    context.database.dispose()
    return Template(settings.home, database_url, worker_key)


@pytest.fixture(autouse=True, scope="session")
def patient_servers() -> Iterator[None]:
    """Servers in this process wait for their parts as a busy machine needs it; tests of the limits set their own."""
    assert endpoints.PROBE_LIMIT_S < 2  # what docs/operations.md promises of /readyz
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(endpoints, "PROBE_LIMIT_S", 60.0)
        patch.setattr(prometheus, "PROBE_LIMIT_S", 60.0)
        patch.setattr(rate_limit, "REDIS_TIMEOUT_S", 30.0)
        yield


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    folder = tmp_path_factory.mktemp("template")
    return make_template(folder, f"sqlite:///{folder / 'lethe.db'}")


@pytest.fixture(scope="session")
def postgres_template(tmp_path_factory: pytest.TempPathFactory, postgres_server: str) -> Template:
    return make_template(tmp_path_factory.mktemp("template"), new_database(postgres_server))


@contextmanager
def running_site(settings: Settings, worker_key: str) -> Iterator[Site]:
    """A server in this process, on a database that is there."""
    app = create_app(settings)
    context: Context = app.state.context
    server = uvicorn.Server(uvicorn.Config(app, port=0, http=BoundedHttp, log_level="warning", lifespan="on"))
    thread = threading.Thread(target=server.run)
    thread.start()
    deadline = time.monotonic() + 60
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield Site(f"http://127.0.0.1:{port}{settings.root_path}", context, worker_key, app)
    finally:
        server.should_exit = True
        thread.join(timeout=60)
        context.database.dispose()


@pytest.fixture
def root_path() -> str:
    """Where the site is on its host; tests of a sub-path set their own."""
    return ""


@pytest.fixture
def site(database_url: str, root_path: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Site]:
    kind = "sqlite" if database_url.startswith("sqlite") else "postgres"
    template: Template = request.getfixturevalue(f"{kind}_template")
    settings = Settings(
        home=tmp_path / "home", database_url=database_url, root_path=root_path, rate_per_address="", rate_per_token=""
    )
    template.copy_to(settings)
    with running_site(settings, template.worker_key) as site:
        yield site
