"""What workers may say and what becomes of it when it is wrong: forged, truncated, replayed, foreign, oversized."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select, update
from structlog.testing import capture_logs

from lethe.server.control.sweeper import sweep
from lethe.server.models import Worker, WorkItem
from lethe.server.models.times import utc_now
from lethe.server.queue.worker_keys import WorkerKeyNotFound, create_worker_key, renew_worker_key
from lethe.server.queue.workers import FORGOTTEN_S, SILENCE_S, WorkerState, list_workers
from tests.integration.server.conftest import RUNS, Site, upload

pytestmark = pytest.mark.component("postgresql")


def items(site: Site) -> list[tuple[Any, ...]]:
    """Everything about the work items that a request could change."""
    with site.context.database.read() as session:
        columns = (WorkItem.id, WorkItem.state, WorkItem.token, WorkItem.attempt, WorkItem.finished, WorkItem.done_at)
        return [tuple(row) for row in session.execute(select(*columns).order_by(WorkItem.stage, WorkItem.chunk))]


def outcome(job: Any, **changes: Any) -> dict[str, Any]:
    return {"work_id": str(job.work_id), "token": job.token, "sandbox_mode": "test"} | changes


def test_wrong_outcomes_change_nothing(site: Site) -> None:
    with site.register("ann") as ann:
        upload(ann)
        site.report(site.claim())
        job, other = site.claim(), site.claim()
        good, foreign = site.store_runs(job), site.store_runs(other)
        before = items(site)
        nan = [good[0] | {"wall_s": "NaN"}, *good[1:]]
        wrong: dict[str, tuple[dict[str, Any], int]] = {
            "unknown work": (outcome(job, work_id=str(uuid4()), finished=good), 200),
            "old token": (outcome(job, token=job.token - 1, finished=good), 200),
            "future token": (outcome(job, token=job.token + 1, finished=good), 200),
            "no runs": (outcome(job), 422),
            "truncated": (outcome(job, finished=good[:-1]), 422),
            "runs of another item": (outcome(job, finished=foreign), 422),
            "outputs of another run": (outcome(job, finished=[good[0] | {"index": good[1]["index"]}]), 422),
            "negative time": (outcome(job, finished=[good[0] | {"wall_s": -1}]), 422),
            "NaN": (outcome(job, finished=nan), 422),
            "unknown field": (outcome(job, finished=good, score=1.0), 422),
            "too many": (outcome(job, finished=good * 2000), 422),
            "long mode": (outcome(job, finished=good, sandbox_mode="x" * 101), 422),
            "no token": ({"work_id": str(job.work_id), "sandbox_mode": "test"}, 422),
        }
        for name, (body, status) in wrong.items():
            answer = site.work("outcome", **body)
            assert answer.status_code == status, (name, answer.text)
            assert status == 422 or answer.json() == {"accepted": False}, name
            assert items(site) == before, name
        assert site.report(job, finished=good) is True


@pytest.mark.parametrize("body", [b"", b"{", b'{"work_id": NaN}', b"[]", b"\xff\xfe", b"null"])
def test_broken_bodies_are_refused(site: Site, body: bytes) -> None:
    for call in ("register", "claim", "heartbeat", "outcome", "leave"):
        answer = site.send(call, body)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), call


def test_oversized_bodies_are_refused(site: Site) -> None:
    answer = site.send("outcome", b" " * (17 * 2**20))
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


def test_nan_as_json_is_refused(site: Site) -> None:
    with site.register("ann") as ann:
        upload(ann)
        site.report(site.claim())
        job = site.claim()
        record = site.store_runs(job)[0]
        text = str({"index": record["index"], "outputs": record["outputs"], "wall_s": "@"}).replace("'", '"')
        for number in ("NaN", "Infinity", "1e999"):
            body = f'{{"work_id": "{job.work_id}", "token": {job.token}, "finished": [{text}]}}'
            answer = site.send("heartbeat", body.replace('"@"', number).encode())
            assert answer.status_code == 422, number


def test_replayed_outcomes_count_once(site: Site) -> None:
    with site.register("ann") as ann:
        upload(ann)
        check = site.claim()
        assert site.report(check) is True
        after = items(site)
        assert len(after) == 1 + -(-RUNS // 3)
        assert site.report(check) is False
        job = site.claim()
        records = site.store_runs(job)
        assert site.report(job, finished=records) is True
        assert site.report(job, finished=records) is False
        assert site.report(job, handed_back=True) is False
        assert site.work("heartbeat", work_id=str(job.work_id), token=job.token).json()["stop"] is True


def test_a_worker_of_one_stage_gets_no_work_of_the_other(site: Site) -> None:
    with site.register("ann") as ann:
        upload(ann)
        assert site.enlist("w1", only="run").status_code == site.enlist("w2", only="check").status_code == 200
        assert site.claim("w1") is None
        check = site.claim("w2")
        assert check is not None
        assert check.stage == "check"
        assert site.report(check)
        assert site.claim("w2") is None
        job = site.claim("w1")
        assert job is not None
        assert job.stage == "run"


def test_a_key_touches_only_its_own_leases(site: Site) -> None:
    with site.register("ann") as ann:
        upload(ann)
        site.report(site.claim())
        job = site.claim("w1")
        own_key = site.worker_key
        with site.context.database.write() as session:
            site.worker_key = create_worker_key(session, "other")
        before = items(site)
        assert site.work("heartbeat", work_id=str(job.work_id), token=job.token).json()["stop"] is True
        assert site.report(job, finished=site.store_runs(job)) is False
        assert site.enlist("w1").json()["released"] == 0  # the same name under another key is another worker
        assert items(site) == before
        site.worker_key = own_key
        assert site.report(job, finished=site.store_runs(job)) is True


def test_a_renewed_key_takes_the_old_ones_place(site: Site) -> None:
    with site.register("ann") as ann:
        upload(ann)
        job = site.claim("w1")
        with site.context.database.write() as session:
            new_key = renew_worker_key(session, "tests")
            with pytest.raises(WorkerKeyNotFound, match=r"There are: .*tests"):
                renew_worker_key(session, "absent")
        for call, body in (
            ("heartbeat", {"work_id": str(job.work_id), "token": job.token}),
            ("claim", {"worker": "w1"}),
        ):
            answer = site.work(call, **body)
            assert (answer.status_code, answer.json()["code"]) == (401, "worker_key_invalid")
        site.worker_key = new_key
        assert site.enlist("w1").json()["released"] == 1
        assert site.claim("w1").work_id == job.work_id


def test_unregistered_worker_is_told_to_register(site: Site) -> None:
    answer = site.work("claim", worker="stranger")
    assert (answer.status_code, answer.json()["code"]) == (409, "worker_unknown")


def test_a_restarted_worker_gives_back_at_once_what_its_predecessor_held(site: Site) -> None:
    with site.register("ann") as ann:
        upload(ann)
        site.report(site.claim("w1"))
        dead, others = site.claim("w1"), site.claim("w2")
        records = site.store_runs(dead)
        beat = site.work("heartbeat", work_id=str(dead.work_id), token=dead.token, finished=records[:1])
        assert beat.json()["stop"] is False
        assert site.enlist("w1").json()["released"] == 1
        again = site.claim("w1")
        assert (again.work_id, len(again.runs)) == (dead.work_id, len(dead.runs) - 1)
        assert site.report(dead, finished=records) is False  # what the dead process sent arrives late
        assert site.report(others, finished=site.store_runs(others)) is True


def test_an_expired_lease_that_nobody_took_is_still_its_holders(site: Site) -> None:
    with site.register("ann") as ann:
        upload(ann)
        site.report(site.claim())
        job = site.claim()
        site.expire_leases()
        beat = site.work("heartbeat", work_id=str(job.work_id), token=job.token)
        assert beat.json()["stop"] is False  # as after an outage of the API
        site.expire_leases()
        assert site.report(job, finished=site.store_runs(job)) is True


def test_deaths_count_only_as_long_as_no_run_is_finished(site: Site) -> None:
    with site.register("ann") as ann:
        identifier = upload(ann).json()["id"]
        site.report(site.claim())
        for _ in range(2):
            first = site.claim()
            site.enlist("w1")
        for index in range(len(first.runs)):
            job = site.claim()
            assert job.work_id == first.work_id
            site.work("heartbeat", work_id=str(job.work_id), token=job.token, finished=site.store_runs(job)[:1])
            assert site.enlist("w1").json()["released"] == 1, index
        assert ann.get(f"/submissions/{identifier}").json()["state"] == "running"


def test_a_poisoned_item_is_an_alert(site: Site) -> None:
    with site.register("ann") as ann:
        upload(ann)
        with capture_logs() as logs:
            for _ in range(site.context.settings.max_attempts):
                assert site.claim() is not None
                site.enlist("w1")
        with site.client() as client:
            metrics = client.get(f"{site.url}/metrics").text
    assert [line["log_level"] for line in logs if line["event"] == "work_poisoned"] == ["error"]
    assert "lethe_work_poisoned_total 1.0" in metrics


def test_a_platform_fault_waits_before_the_next_attempt(site: Site) -> None:
    with site.register("ann") as ann:
        identifier = upload(ann).json()["id"]
        fault = {"code": "platform", "owner": "platform", "message": "disk full"}
        for _ in range(site.context.settings.max_attempts):
            job = site.claim()
            assert site.report(job, fault=fault) is True
            assert site.claim() is None
            site.expire_leases()
        assert ann.get(f"/submissions/{identifier}").json()["owner"] == "platform"


def test_postponed_work_becomes_available_by_time_alone(site: Site) -> None:
    fault = {"code": "platform", "owner": "platform", "message": "disk full"}

    def metrics() -> set[str]:
        with site.client() as client:
            return set(client.get(f"{site.url}/metrics").text.splitlines())

    with site.register("ann") as ann:
        upload(ann)
        job = site.claim()
        assert site.report(job, fault=fault) is True
        assert site.report(job, fault=fault) is False  # sent twice
        assert site.claim() is None
        postponed = 'lethe_work_items{sandbox_mode="test",stage="check",state="postponed"} 1.0'
        assert {postponed, 'lethe_queue_depth{stage="check"} 0.0'} <= metrics()
        with site.context.database.write() as session:
            item = session.scalars(select(WorkItem)).one()
            assert (item.state, item.lease_expires_at) == ("ready", None)
            assert item.available_at > utc_now()
            item.available_at = utc_now()
        assert 'lethe_queue_depth{stage="check"} 1.0' in metrics()
        assert site.claim().token > job.token


def test_postponed_work_of_a_submission_that_ends_is_dropped(site: Site) -> None:
    fault = {"code": "platform", "owner": "platform", "message": "disk full"}
    with site.register("ann") as ann:
        identifier = upload(ann).json()["id"]
        assert site.report(site.claim(), fault=fault) is True
        assert ann.post(f"/submissions/{identifier}/cancel").status_code == 200
        site.expire_leases()
        assert site.claim() is None
        assert ann.get(f"/submissions/{identifier}").json()["state"] == "cancelled"


def test_the_operator_sees_busy_idle_lost_and_left_workers(site: Site) -> None:
    with site.register("ann") as ann:
        upload(ann)
        job = site.claim("busy")
        for name in ("idle", "lost", "left"):
            site.enlist(name, gpu="H200")
        assert site.work("leave", worker="left").status_code == 204
        with site.context.database.write() as session:
            long_ago = utc_now().replace(year=2020)
            session.execute(update(Worker).where(Worker.name == "lost").values(seen_at=long_ago))
    with site.context.database.read() as session:
        rows = {row.name: row for row in list_workers(session, gone=True)}
    assert {name: row.state for name, row in rows.items()} == {name: WorkerState(name) for name in rows}
    assert (rows["busy"].doing, rows["busy"].submission_id) == ("check", job.submission_id)
    assert rows["idle"].capabilities.gpu == "H200"


def test_a_worker_that_is_lost_for_a_day_is_forgotten_and_may_come_back(site: Site) -> None:
    for name in ("alive", "lost", "long-gone"):
        site.enlist(name)
    with site.context.database.write() as session:
        for name, silent_s in (("lost", FORGOTTEN_S - 60), ("long-gone", FORGOTTEN_S + 60)):
            then = utc_now() - timedelta(seconds=silent_s)
            session.execute(update(Worker).where(Worker.name == name).values(seen_at=then))
    assert sweep(site.context, "one")
    with site.context.database.read() as session:
        states = {row.name: row.state for row in list_workers(session, gone=True)}
    assert states == {"alive": WorkerState.IDLE, "lost": WorkerState.LOST}
    assert site.work("claim", worker="long-gone").json()["code"] == "worker_unknown"
    assert site.enlist("long-gone").status_code == 200


def test_idle_workers_are_heard_when_they_ask(site: Site) -> None:
    assert site.claim("w") is None
    silent = utc_now() - timedelta(seconds=SILENCE_S)
    for changed in ({"seen_at": silent}, {"left_at": silent}):
        with site.context.database.write() as session:
            session.execute(update(Worker).values(**changed))
        assert site.claim("w") is None
        with site.context.database.read() as session:
            worker = session.scalars(select(Worker)).one()
        assert worker.seen_at > silent
        assert worker.left_at is None


def test_a_worker_that_was_just_heard_is_not_noted_again(site: Site) -> None:
    assert site.claim("w") is None
    with site.context.database.read() as session:
        first = session.scalars(select(Worker.seen_at)).one()
    assert site.claim("w") is None
    with site.context.database.read() as session:
        assert session.scalars(select(Worker.seen_at)).one() == first
