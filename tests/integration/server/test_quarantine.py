"""Workers that fail by faults of their own, and those that the operator drains, disables or lets back in.

On the level of the queue's functions, on SQLite and on PostgreSQL.
"""

import json
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select, update
from typer.testing import CliRunner

from lethe.evaluator.contract.faults import Fault, FaultCode, platform_fault
from lethe.evaluator.contract.prepared_competition import ArtifactRef
from lethe.evaluator.contract.states import Stage
from lethe.evaluator.contract.tasks import WORKER_POLL_S
from lethe.evaluator.contract.work import Capabilities, Job, Outcome, Registration, RunRecord
from lethe.evaluator.settings import WorkerSettings
from lethe.evaluator.worker.process import UNFIT_S, WorkerLoop
from lethe.evaluator.worker.worker_identity import take_identity
from lethe.sandbox.errors import SandboxUnavailable
from lethe.server.cli import app
from lethe.server.models import Admission, AuditEvent, Submission, Worker, WorkerFault, WorkItem
from lethe.server.models.times import utc_now
from lethe.server.queue import claims, quarantine, reports
from lethe.server.queue.admission import WorkerNotFound, admit, delete_worker_key
from lethe.server.queue.worker_keys import WorkerKeyNotFound, list_worker_keys
from lethe.server.queue.workers import SILENCE_S, WorkerDisabled, WorkerQuarantined, WorkerState, list_workers
from lethe.server.security.credentials import WorkerKeyInvalid, require_worker_key
from lethe.server.security.digests import digest_secret
from tests.integration.server.conftest import CAPABILITIES, GOOD, Site, spec, upload

pytestmark = [pytest.mark.component("postgresql"), pytest.mark.one_database]
FULL_DISK = platform_fault("OSError: [Errno 28] No space left on device")


@dataclass
class Queue:
    """The queue's functions, as the internal API calls them for workers of one key."""

    site: Site

    @property
    def digest(self) -> str:
        return digest_secret(self.site.worker_key)

    def enlist(self, *workers: str, passed_self_test: bool = False, **capabilities: Any) -> None:
        can = Capabilities.model_validate(CAPABILITIES | capabilities)
        for worker in workers:
            registration = Registration(worker=worker, capabilities=can, passed_self_test=passed_self_test)
            with self.site.context.database.write() as session:
                key = require_worker_key(session, self.digest)
                reports.register(session, registration, key, lease_s=60, max_attempts=3)

    def claim(self, worker: str, *, rolls_back: bool = False) -> Job | None:
        with self.site.context.database.write() as session:
            job = claims.claim(session, worker, self.digest, lease_s=60, max_attempts=3, server_backend="")
            if rolls_back:
                session.rollback()
        return job

    def end(self, job: Job, fault: Fault | None = None) -> bool:
        """The item ends with this fault, or with all its runs."""
        finished = () if fault or job.stage is Stage.CHECK else tuple(_record(job, order.index) for order in job.runs)
        outcome = Outcome(work_id=job.work_id, token=job.token, sandbox_mode="test", finished=finished, fault=fault)
        with self.site.context.database.write() as session:
            return reports.report(session, outcome, self.digest, max_attempts=3).accepted

    def change(self, kind: type[Any], **values: Any) -> None:
        with self.site.context.database.write() as session:
            session.execute(update(kind).values(**values))

    def change_worker(self, name: str, **values: Any) -> None:
        with self.site.context.database.write() as session:
            session.execute(update(Worker).where(Worker.name == name).values(**values))

    def states(self) -> dict[str, WorkerState]:
        with self.site.context.database.read() as session:
            return {row.name: row.state for row in list_workers(session, gone=True)}


def _record(job: Job, index: int) -> RunRecord:
    return RunRecord(index=index, outputs=ArtifactRef(key=job.outputs_key(index), sha256="0" * 64), wall_s=0.1)


@pytest.fixture
def queue(site: Site) -> Queue:
    """Two submissions wait for their checks."""
    with site.register("ann") as ann:
        for number in range(2):
            assert upload(ann, GOOD + f"'{number}'\n".encode()).status_code == 202
    return Queue(site)


def test_a_worker_that_fails_at_everything_ends_no_submission_and_is_quarantined(queue: Queue) -> None:
    queue.enlist("bad", "good-1", "good-2")
    told = done = 0
    for _ in range(100):
        had = []
        for worker in ("bad", "good-1", "good-2"):
            try:
                job = queue.claim(worker)
            except WorkerQuarantined:
                told += worker == "bad"
                continue
            if job is not None:
                had.append(job)
                assert queue.end(job, FULL_DISK if worker == "bad" else None)
        done += len(had)
        queue.change(WorkItem, available_at=None)  # time passes
        if not had:
            break
    with queue.site.context.database.read() as session:
        assert set(session.scalars(select(Submission.state))) == {"scoring"}
        failed_by = session.scalars(select(WorkerFault.worker)).all()
    assert set(failed_by) == {"bad"}
    assert quarantine.ITEMS <= len(failed_by) <= quarantine.ITEMS + 1  # one more may be tried while others do the third
    assert told
    assert queue.states() == {"bad": "quarantined", "good-1": "idle", "good-2": "idle"}

    queue.enlist("bad")  # a restart proves nothing
    with pytest.raises(WorkerQuarantined):
        queue.claim("bad")
    answer = queue.site.work("claim", worker="bad")
    assert (answer.status_code, answer.json()["code"]) == (409, "worker_quarantined")
    training = {"worker": "bad", "count": 1, "torch": "2.9.0", "gpu": False}
    with queue.site.client() as client:
        headers = {"Authorization": f"Bearer {queue.site.worker_key}"}
        address = f"{queue.site.url}/internal/v1/training/claim"
        assert client.post(address, json=training, headers=headers).json()["code"] == "worker_quarantined"
        assert 'lethe_workers{state="quarantined"} 1.0' in client.get(f"{queue.site.url}/metrics").text

    queue.enlist("bad", passed_self_test=True)
    assert queue.claim("bad") is None
    assert queue.states()["bad"] == "idle"


def test_an_outage_of_all_workers_quarantines_nobody(queue: Queue) -> None:
    queue.enlist("a", "b")
    for worker in ("a", "b"):
        job = queue.claim(worker)
        assert job is not None
        assert queue.end(job, FULL_DISK)
    queue.change(WorkItem, available_at=None)
    for worker in ("a", "b"):
        while (job := queue.claim(worker)) is not None:
            assert queue.end(job)
    assert set(queue.states().values()) == {"idle"}


def test_an_item_is_kept_from_the_worker_that_failed_at_it_while_others_can_do_it(queue: Queue) -> None:
    queue.enlist("a", "b")
    kept = queue.claim("a")
    other = queue.claim("b")
    assert kept is not None
    assert other is not None
    assert queue.end(other)  # its chunks are for everybody; the check is what this is about
    assert queue.end(kept, FULL_DISK)
    queue.change(WorkItem, available_at=None)
    with queue.site.context.database.write() as session:
        session.execute(update(WorkItem).where(WorkItem.stage != Stage.CHECK).values(state="failed"))

    def is_kept() -> bool:
        return queue.claim("a", rolls_back=True) is None

    assert is_kept()
    now = utc_now()

    def usual(**changes: Any) -> dict[str, Any]:
        fit = {"seen_at": utc_now(), "left_at": None, "quarantined_at": None, "admission": Admission.OPEN}
        return fit | {"capabilities": CAPABILITIES} | changes

    unfit: list[dict[str, Any]] = [
        {"seen_at": now - timedelta(seconds=SILENCE_S + 1)},
        {"left_at": now},
        {"quarantined_at": now},
        {"admission": Admission.DRAINED},
        {"admission": Admission.DISABLED},
        {"capabilities": CAPABILITIES | {"memory_bytes": 2**20}},
        {"capabilities": CAPABILITIES | {"only": "run"}},
    ]
    for changes in unfit:
        queue.change_worker("b", **usual(**changes))
        assert not is_kept(), changes
    queue.change_worker("b", **usual())
    assert is_kept()
    queue.site.change_specification(evaluation=spec().evaluation.model_copy(update={"gpu": True}))
    queue.change_worker("a", capabilities=CAPABILITIES | {"gpu": "H200"})
    assert not is_kept()
    queue.change_worker("b", **usual(capabilities=CAPABILITIES | {"gpu": "H200"}))
    assert is_kept()
    long_ago = now - timedelta(seconds=quarantine.LEFT_TO_OTHERS_S + 1)
    queue.change(WorkerFault, created_at=long_ago)
    assert not is_kept()
    queue.change(WorkerFault, created_at=now)
    job = queue.claim("b")
    assert job is not None
    assert job.attempt == 2
    assert queue.end(job, FULL_DISK)
    queue.change(WorkItem, available_at=None)
    assert not is_kept()  # nobody is left who has not failed at it


def test_a_participants_fault_is_a_verdict_too(queue: Queue) -> None:
    queue.enlist("a", "b")
    job = queue.claim("a")
    assert job is not None
    assert queue.end(job, FULL_DISK)
    queue.change(WorkItem, available_at=None)
    other = queue.claim("b")
    assert other is not None
    assert other.work_id == job.work_id
    assert queue.end(other, Fault(code=FaultCode.EXCEPTION))
    with queue.site.context.database.read() as session:
        assert session.scalars(select(WorkerFault.done_elsewhere_at)).one() is not None


def test_drained_and_disabled_workers(queue: Queue) -> None:
    queue.enlist("a", "b")
    in_hand, lost = queue.claim("a"), queue.claim("b")
    assert in_hand is not None
    assert lost is not None
    with queue.site.context.database.write() as session:
        assert admit(session, "a", Admission.DRAINED) == 0
        assert admit(session, "b", Admission.DISABLED) == 1
        with pytest.raises(WorkerNotFound, match=r"no worker called 'c'\. There are: a, b\."):
            admit(session, "c", Admission.DRAINED)
    assert queue.states() == {"a": "drained", "b": "disabled"}
    assert queue.end(in_hand)
    assert queue.claim("a") is None
    assert queue.end(lost) is False  # others have it
    for refused in (queue.claim, queue.enlist):
        with pytest.raises(WorkerDisabled, match="lethe admin worker enable b"):
            refused("b")
    beat = queue.site.work("heartbeat", work_id=str(lost.work_id), token=lost.token)
    assert beat.json()["stop"] is True
    queue.enlist("c")
    taken = queue.claim("c")
    assert taken is not None
    assert (taken.work_id, taken.attempt) == (lost.work_id, lost.attempt)
    for worker in ("a", "b"):
        with queue.site.context.database.write() as session:
            assert admit(session, worker, Admission.OPEN) == 0
        assert queue.claim(worker) is not None


def test_a_deleted_key_takes_its_workers_along_and_what_they_did_stays(queue: Queue) -> None:
    queue.enlist("a")
    done, lost = queue.claim("a"), queue.claim("a")
    assert done is not None
    assert lost is not None
    assert queue.end(done)
    with queue.site.context.database.read() as session:
        (row,) = list_worker_keys(session)
    assert (row.workers, row.seen_at is not None) == (1, True)
    with queue.site.context.database.write() as session:
        assert delete_worker_key(session, row.name) == 1
        with pytest.raises(WorkerKeyNotFound, match="There are: none"):
            delete_worker_key(session, row.name)
    assert queue.states() == {}
    with pytest.raises(WorkerKeyInvalid):
        queue.claim("a")
    with queue.site.context.database.read() as session:
        found = {item.id: item for item in session.scalars(select(WorkItem))}
    assert (found[done.work_id].state, found[done.work_id].worker) == ("done", "a")
    assert (found[lost.work_id].state, found[lost.work_id].attempt) == ("ready", 0)


def test_commands_of_operators(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = queue.site.context.settings
    monkeypatch.setenv("LETHE_HOME", str(settings.home))
    monkeypatch.setenv("LETHE_DATABASE_URL", settings.database)
    monkeypatch.setenv("COLUMNS", "300")

    def lethe(*arguments: str) -> str:
        done = CliRunner().invoke(app, ["admin", *arguments])
        assert done.exit_code == 0, done.output
        return done.stdout

    queue.enlist("a")
    assert lethe("worker", "drain", "a") == "a finishes what it has and gets nothing more.\n"
    assert json.loads(lethe("worker", "list", "--json"))[0]["state"] == "drained"
    assert json.loads(lethe("worker", "disable", "a", "--json")) == {
        "worker": "a", "admission": "disabled", "returned": 0
    }  # fmt: skip
    assert "disabled" in lethe("worker", "list")
    assert lethe("worker", "enable", "a") == "a gets work.\n"
    (key,) = json.loads(lethe("worker-key", "list", "--json"))
    assert f"\n{key['name']}\t" in lethe("worker-key", "list")
    assert lethe("worker-key", "delete", key["name"], "--yes") == f"The key {key['name']} is deleted.\n"
    assert lethe("worker-key", "list") == "key\tworkers\tlast call\n"
    with queue.site.context.database.read() as session:
        events = session.scalars(select(AuditEvent.action).order_by(AuditEvent.created_at)).all()
    assert events[-4:] == ["worker.drain", "worker.disable", "worker.enable", "worker_key.delete"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_worker_in_quarantine_proves_itself_before_it_asks_again(site: Site, tmp_path: Path) -> None:
    settings = WorkerSettings(
        server_url=site.url,
        worker_key=SecretStr(site.worker_key),
        artifacts_url=f"file://{site.context.settings.home / 'artifacts'}",
        cache=tmp_path / "cache",
        min_free_bytes=0,
        slots=1,
    )
    loop = WorkerLoop(settings, take_identity(tmp_path / "workers"), sandbox_mode="test")
    tests: list[dict[str, WorkerState]] = []

    def self_test() -> bool:  # the real one takes a minute, and has tests of its own
        tests.append(queue.states())
        if len(tests) == 1:
            raise SandboxUnavailable("the worker's self-test failed")
        return True

    loop._self_test = self_test  # type: ignore[assignment]
    queue = Queue(site)
    try:
        assert loop._work() == WORKER_POLL_S
        assert queue.states() == {loop.name: "idle"}
        queue.change_worker(loop.name, quarantined_at=utc_now())
        assert loop._work() == 0  # it is told
        assert loop._work() == UNFIT_S
        assert queue.states() == {loop.name: "quarantined"}
        assert loop._work() == WORKER_POLL_S
        assert tests == [{loop.name: "quarantined"}] * 2
        assert queue.states() == {loop.name: "idle"}
    finally:
        loop.stop()
