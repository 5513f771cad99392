"""The trainer's loop: claims orders, trains as many at once as it has processes, commits and reports each."""

import threading
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from evaluator.artifacts import ArtifactStore
from evaluator.artifacts.oracles import record_key
from evaluator.banks.seeding import store_model, training_task
from evaluator.banks.training_jobs import (
    TrainedModel,
    TrainerKilled,
    TrainingFailed,
    TrainingPool,
    result_of,
    train_model,
)
from evaluator.contract.training import OrderEnd, OrderRef, TrainingOrder

TICK_S = 0.5
ASK_AGAIN_S = 5.0  # after an answer that there is nothing to claim


class OrderSource(Protocol):
    """Where orders come from: the database itself, or the server that has one."""

    @property
    def beat_s(self) -> float:
        """Seconds between two calls of `keep`, well below the lease."""
        ...

    def claim(self, count: int) -> Sequence[TrainingOrder]:
        """Up to `count` orders, now leased to this trainer."""
        ...

    def keep(self, held: Sequence[OrderRef]) -> Collection[OrderRef]:
        """Prolong the leases; those that are not this trainer's any more."""
        ...

    def report(self, order: OrderRef, end: OrderEnd, message: str = "") -> None:
        """Say how an order ended."""
        ...


def train_orders(
    book: OrderSource, store: ArtifactStore, pool: TrainingPool, *, stop: threading.Event, tick: Callable[[], None]
) -> int:
    """How many models were trained and committed, once `book` gives no more orders, or soon after `stop` is set.

    What is in flight at a stop, or when something is raised, is handed back; what another trainer took over is dropped.
    `tick` is called every half second and after every model. Raises TrainingFailed when a model cannot be trained,
    TrainerKilled when a process died, and what `book` and `store` raise.
    """
    with TemporaryDirectory(prefix="lethe-bank-") as folder:
        return TrainingSession(book, store, pool, Path(folder)).work(stop, tick)


class TrainingSession:
    """The orders in hand from the first claim to the last report."""

    def __init__(self, book: OrderSource, store: ArtifactStore, pool: TrainingPool, folder: Path) -> None:
        self._book = book
        self._store = store
        self._pool = pool
        self._folder = folder
        self._held: dict[OrderRef, TrainingOrder] = {}
        self._futures: dict[Future[TrainedModel], OrderRef] = {}
        self._ask_at = 0.0
        self._beat_at = 0.0

    def work(self, stop: threading.Event, tick: Callable[[], None]) -> int:
        count = 0
        try:
            while not stop.is_set():
                self._fill()
                if not self._futures:
                    break
                finished, _ = wait(self._futures, timeout=TICK_S, return_when=FIRST_COMPLETED)
                self._beat()
                for future in finished:
                    count += self._finish(future)
                tick()
        finally:
            for ref in self._held:
                self._book.report(ref, OrderEnd.HANDED_BACK)
        return count

    def _fill(self) -> None:
        """Give every free process an order, as far as there are any."""
        while (free := self._pool.jobs - len(self._futures)) > 0 and time.monotonic() >= self._ask_at:
            orders = self._book.claim(free)
            if len(orders) < free:
                self._ask_at = time.monotonic() + ASK_AGAIN_S
            self._held |= {order.ref: order for order in orders}
            for order in orders:
                self._start(order)

    def _start(self, order: TrainingOrder) -> None:
        if self._store.exists(record_key(order.bank.digest, order.index)):
            # Whoever trained it was killed between its record and its report.
            del self._held[order.ref]
            self._book.report(order.ref, OrderEnd.TRAINED)
            return
        task = training_task(order.bank, order.index, self._store, self._folder)
        self._futures[self._pool.submit(train_model, task)] = order.ref

    def _finish(self, future: Future[TrainedModel]) -> bool:
        """Commit and report one model; False when it was taken over by another trainer meanwhile."""
        ref = self._futures.pop(future)
        order = self._held.get(ref)
        if order is None:
            return False
        self._ask_at = 0.0
        try:
            model = result_of(future, f"model {order.index} of bank {order.bank.digest[:12]}")
        except TrainerKilled as error:
            del self._held[ref]
            self._book.report(ref, OrderEnd.BROKEN, str(error))
            raise
        except TrainingFailed as error:
            del self._held[ref]
            self._book.report(ref, OrderEnd.FAILED, str(error))
            raise
        store_model(self._store, order.bank, order.index, model)
        del self._held[ref]
        self._book.report(ref, OrderEnd.TRAINED)
        return True

    def _beat(self) -> None:
        if time.monotonic() < self._beat_at:
            return
        self._beat_at = time.monotonic() + self._book.beat_s
        for ref in self._book.keep(list(self._held)):
            self._held.pop(ref, None)  # its process goes on for nothing: a running future cannot be cancelled
