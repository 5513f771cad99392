"""Orders of bank models over the internal API: leases, fencing tokens and who may train what, on both databases."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from lethe.evaluator.contract.bank import BankIdentity
from lethe.evaluator.contract.prepared_competition import ArtifactRef
from lethe.evaluator.contract.specification import TrainingSpec
from lethe.evaluator.contract.training import OrderEnd, TrainingOrder, TrainingOrders
from lethe.server.models import ModelOrder, Worker
from lethe.server.models.times import utc_now
from lethe.server.queue import training_orders, training_queries
from lethe.server.queue.worker_keys import create_worker_key
from lethe.server.queue.workers import SILENCE_S, WorkerState, list_workers
from tests.integration.server.conftest import Site, upload

pytestmark = pytest.mark.component("postgresql")

TORCH = "9.9"


def bank(**changes: Any) -> BankIdentity:
    ref = ArtifactRef(key="data/x/visible", sha256="0" * 64)
    facts = {"visible": ref, "evaluation": ref, "parts": ("retain",), "architecture": "resnet-small", "classes": 2}
    return BankIdentity(**(facts | {"recipe": TrainingSpec(), "batch_size": 64, "torch": TORCH} | changes))


def offer(site: Site, identity: BankIdentity, count: int = 4, trained: tuple[int, ...] = ()) -> BankIdentity:
    with site.context.database.write() as session:
        training_orders.place(session, identity, count, trained)
        training_queries.offer(session, identity.digest, count)
    return identity


@pytest.fixture(autouse=True)
def worker(site: Site) -> None:
    assert site.enlist("w").status_code == 200


def call(site: Site, path: str, **body: Any) -> Any:
    with site.client() as client:
        client.base_url = f"{site.url}/internal/v1/training"
        answer = client.post(path, json=body, headers={"Authorization": f"Bearer {site.worker_key}"})
    assert answer.status_code == 200, answer.text
    return answer.json()


def claim(site: Site, count: int = 1, *, torch: str = TORCH, gpu: bool = False) -> list[TrainingOrder]:
    answer = call(site, "/claim", worker="w", count=count, torch=torch, gpu=gpu)
    return list(TrainingOrders.model_validate(answer).orders)


def report(site: Site, order: TrainingOrder, end: OrderEnd = OrderEnd.TRAINED, message: str = "") -> bool:
    answer = call(site, "/report", order=order.ref.model_dump(), end=end, message=message)
    return bool(answer["accepted"])


def states(site: Site) -> list[str]:
    with site.context.database.read() as session:
        return list(session.scalars(select(ModelOrder.state).order_by(ModelOrder.model_index)))


def test_each_model_is_claimed_once_by_parallel_trainers(site: Site) -> None:
    identity = offer(site, bank(), count=12, trained=(3,))
    with ThreadPoolExecutor(6) as threads:
        claimed = [order for batch in threads.map(lambda _: claim(site, 2), range(7)) for order in batch]
    assert sorted(order.index for order in claimed) == [index for index in range(12) if index != 3]
    assert {order.bank for order in claimed} == {identity}
    assert all(report(site, order) for order in claimed)
    assert claim(site) == []
    assert states(site) == ["done"] * 12


def test_a_silent_trainer_loses_its_models_and_its_late_report_changes_nothing(site: Site) -> None:
    offer(site, bank(), count=2)
    late, kept = claim(site, 2)
    with site.context.database.write() as session:
        silent = ModelOrder.model_index == late.index
        session.execute(update(ModelOrder).where(silent).values(lease_expires_at=utc_now() - timedelta(seconds=1)))
    assert call(site, "/heartbeat", worker="w", held=[kept.ref.model_dump()])["lost"] == []
    taken = claim(site, 2)
    assert [order.index for order in taken] == [late.index]
    assert taken[0].token > late.token
    assert call(site, "/heartbeat", worker="w", held=[late.ref.model_dump()])["lost"] == [late.ref.model_dump()]
    assert report(site, late) is False
    assert report(site, taken[0]) is True
    assert report(site, kept) is True


def test_an_expired_lease_that_nobody_took_is_still_its_trainers(site: Site) -> None:
    offer(site, bank(), count=2)
    order, other = claim(site, 2)
    for end_lease in (True, False):
        with site.context.database.write() as session:
            session.execute(update(ModelOrder).values(lease_expires_at=utc_now() - timedelta(seconds=1)))
            training_orders.expire_leases(session)
        assert states(site) == ["ready", "ready"]
        if end_lease:
            assert call(site, "/heartbeat", worker="w", held=[order.ref.model_dump()])["lost"] == []
            assert states(site) == ["leased", "ready"]
    assert report(site, order) is True
    assert report(site, other, OrderEnd.HANDED_BACK) is True
    assert report(site, other) is False  # it was given back
    assert states(site) == ["done", "ready"]


def test_a_foreign_key_cannot_touch_a_lease(site: Site) -> None:
    offer(site, bank())
    (order,) = claim(site)
    with site.context.database.write() as session:
        site.worker_key = create_worker_key(session, "other")
    assert site.enlist("w").status_code == 200
    assert report(site, order) is False
    assert call(site, "/heartbeat", worker="w", held=[order.ref.model_dump()])["lost"] != []


def test_a_worker_that_trains_is_heard_and_shown(site: Site) -> None:
    """It asks for no other work meanwhile, which may take longer than a silence that counts as a loss."""
    offer(site, bank(), count=2)
    held = claim(site, 2)

    def fall_silent() -> None:
        with site.context.database.write() as session:
            session.execute(update(Worker).values(seen_at=utc_now() - timedelta(seconds=SILENCE_S + 1)))

    def shown() -> tuple[WorkerState, str | None]:
        with site.context.database.read() as session:
            (row,) = list_workers(session)
        return row.state, row.doing

    assert shown() == (WorkerState.BUSY, "training 2 oracles")
    fall_silent()
    assert shown()[0] is WorkerState.LOST
    assert call(site, "/heartbeat", worker="w", held=[order.ref.model_dump() for order in held])["lost"] == []
    assert shown() == (WorkerState.BUSY, "training 2 oracles")
    assert all(report(site, order) for order in held)
    fall_silent()
    assert claim(site) == []
    assert shown() == (WorkerState.IDLE, None)


def test_only_what_a_trainer_can_do_and_only_what_is_offered(site: Site) -> None:
    offer(site, bank(recipe=TrainingSpec(precision="bf16")), count=1)
    assert claim(site, torch="1.0", gpu=True) == []
    assert claim(site) == []
    (order,) = claim(site, gpu=True)
    assert report(site, order, OrderEnd.HANDED_BACK)
    with site.context.database.write() as session:
        training_queries.offer(session, order.ref.bank_digest, 0)
    assert claim(site, gpu=True) == []


def test_submissions_go_first(site: Site) -> None:
    offer(site, bank())
    with site.register("ann") as ann:
        upload(ann)
        assert claim(site) == []
        check = site.claim()
        assert check is not None
        assert len(claim(site)) == 1  # the check is in hand, so nothing waits


def test_what_fails_is_not_tried_for_ever(site: Site) -> None:
    offer(site, bank(), count=2)
    for _ in range(training_orders.MAX_BREAKDOWNS):
        order = claim(site)[0]
        assert order.index == 0
        assert report(site, order, OrderEnd.BROKEN, "killed")
    assert report(site, claim(site)[0], OrderEnd.FAILED, "the loss is nan")
    assert states(site) == ["failed", "failed"]
    assert claim(site) == []
    offer(site, bank(), count=2)  # the host tries again
    assert len(claim(site, 5)) == 2


def test_a_model_whose_record_is_gone_is_ordered_again(site: Site) -> None:
    offer(site, bank(), count=2, trained=(0, 1))
    assert states(site) == ["done", "done"]
    offer(site, bank(), count=2, trained=(0,))
    assert [order.index for order in claim(site, 5)] == [1]
    offer(site, bank(), count=3, trained=(0,))  # somebody orders more while one is in hand
    assert states(site) == ["done", "leased", "ready"]
