"""The orders of a host's own command, straight from the database."""

from collections.abc import Mapping, Sequence

from lethe.evaluator.contract.training import OrderEnd, OrderRef, TrainingOrder
from lethe.server.database.engine import Database
from lethe.server.queue import training_orders
from lethe.server.queue.training_orders import Trainer


class DatabaseOrders:
    """The first `wanted[digest]` orders of each bank, for one trainer; see `evaluator.banks.trainer.OrderSource`."""

    def __init__(self, database: Database, trainer: Trainer, wanted: Mapping[str, int], *, lease_s: float) -> None:
        self.beat_s = lease_s / 4
        self._database = database
        self._trainer = trainer
        self._wanted = wanted
        self._lease_s = lease_s

    def claim(self, count: int) -> list[TrainingOrder]:
        with self._database.write() as session:
            return training_orders.claim(
                session, self._trainer, count=count, lease_s=self._lease_s, wanted=self._wanted
            )

    def renew(self, held: Sequence[OrderRef]) -> list[OrderRef]:
        with self._database.write() as session:
            return training_orders.renew(session, held, self._trainer.worker_key_id, lease_s=self._lease_s)

    def report(self, order: OrderRef, end: OrderEnd, message: str = "") -> None:
        with self._database.write() as session:
            training_orders.report(session, order, self._trainer.worker_key_id, end, message)
