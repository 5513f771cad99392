"""The trainer's loop: claims orders, trains as many at once as it has processes, and commits and reports each."""

import threading
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from pathlib import Path
from typing import Protocol

from lethe.evaluator.artifacts import ArtifactStore
from lethe.evaluator.artifacts.oracles import record_key
from lethe.evaluator.banks.seeding import SCRATCH, store_model, training_task
from lethe.evaluator.banks.training_jobs import (
    TrainedModel,
    TrainerKilled,
    TrainingFailed,
    TrainingPool,
    result_of,
    train_model,
)
from lethe.evaluator.contract.training import OrderEnd, OrderRef, TrainingOrder
from lethe.sandbox.scratch_folders import scratch_folder

TICK_S = 0.5
ASK_AGAIN_S = 5.0  # after an answer that there is nothing to claim


class OrderSource(Protocol):
    """Gives out orders: the database itself, or a server over HTTP."""

    @property
    def beat_s(self) -> float:
        """Seconds between two calls of `renew`, well below the lease."""
        ...

    def claim(self, count: int) -> Sequence[TrainingOrder]:
        """Lease up to `count` orders to this trainer."""
        ...

    def renew(self, held: Sequence[OrderRef]) -> Collection[OrderRef]:
        """Renew the leases of `held` and return those that this trainer has lost."""
        ...

    def report(self, order: OrderRef, end: OrderEnd, message: str = "") -> None:
        """Report how an order ended."""
        ...


def train_orders(
    source: OrderSource, store: ArtifactStore, pool: TrainingPool, *, stop: threading.Event, tick: Callable[[], None]
) -> int:
    """Train until `source` gives no more orders or soon after `stop` is set; how many models were committed.

    At a stop or an error, orders in hand are handed back; orders that another trainer took over are dropped. `tick` is
    called every half second and after every model. Raises TrainingFailed when a model cannot be trained, TrainerKilled
    when a process died, and the errors of `source` and `store`.
    """
    with scratch_folder(SCRATCH) as folder:
        return TrainingSession(source, store, pool, folder).work(stop, tick)


class TrainingSession:
    """The orders in hand from the first claim to the last report."""

    def __init__(self, source: OrderSource, store: ArtifactStore, pool: TrainingPool, folder: Path) -> None:
        self._source = source
        self._store = store
        self._pool = pool
        self._folder = folder
        self._held: dict[OrderRef, TrainingOrder] = {}
        self._futures: dict[Future[TrainedModel], OrderRef] = {}
        self._ask_at = 0.0
        self._renew_at = 0.0

    def work(self, stop: threading.Event, tick: Callable[[], None]) -> int:
        count = 0
        try:
            while not stop.is_set():
                self._fill()
                if not self._futures:
                    break
                finished, _ = wait(self._futures, timeout=TICK_S, return_when=FIRST_COMPLETED)
                self._renew()
                for future in finished:
                    count += self._finish(future)
                tick()
        finally:
            for ref in self._held:
                self._source.report(ref, OrderEnd.HANDED_BACK)
        return count

    def _fill(self) -> None:
        """Give every idle process an order, as far as there are any."""
        while (idle := self._pool.jobs - len(self._futures)) > 0 and time.monotonic() >= self._ask_at:
            orders = self._source.claim(idle)
            if len(orders) < idle:
                self._ask_at = time.monotonic() + ASK_AGAIN_S
            self._held |= {order.ref: order for order in orders}
            for order in orders:
                self._start(order)

    def _start(self, order: TrainingOrder) -> None:
        if self._store.exists(record_key(order.bank.digest, order.index)):
            # Its trainer was killed after the record and before the report.
            del self._held[order.ref]
            self._source.report(order.ref, OrderEnd.TRAINED)
            return
        task = training_task(order.bank, order.index, self._store, self._folder)
        self._futures[self._pool.submit(train_model, task)] = order.ref

    def _finish(self, future: Future[TrainedModel]) -> bool:
        """Commit and report one model; False if another trainer has taken it over."""
        ref = self._futures.pop(future)
        order = self._held.get(ref)
        if order is None:
            return False
        self._ask_at = 0.0
        try:
            model = result_of(future, f"model {order.index} of bank {order.bank.digest[:12]}")
        except TrainerKilled as error:
            del self._held[ref]
            self._source.report(ref, OrderEnd.BROKEN, str(error))
            raise
        except TrainingFailed as error:
            del self._held[ref]
            self._source.report(ref, OrderEnd.FAILED, str(error))
            raise
        store_model(self._store, order.bank, order.index, model)
        del self._held[ref]
        self._source.report(ref, OrderEnd.TRAINED)
        return True

    def _renew(self) -> None:
        if time.monotonic() < self._renew_at:
            return
        self._renew_at = time.monotonic() + self._source.beat_s
        for ref in self._source.renew(list(self._held)):
            self._held.pop(ref, None)  # its process goes on for nothing: a running future cannot be cancelled
