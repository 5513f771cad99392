"""Trains models of oracle banks for the server while no submission waits."""

import threading
from collections.abc import Sequence
from importlib.metadata import version

import structlog
from obstore.exceptions import BaseError

from lethe.evaluator.artifacts import ArtifactError, ArtifactStore
from lethe.evaluator.banks.trainer import train_orders
from lethe.evaluator.banks.training_jobs import TrainingFailed, training_pool
from lethe.evaluator.contract.training import (
    MOST_ORDERS,
    OrderEnd,
    OrderRef,
    TrainingClaim,
    TrainingHeartbeat,
    TrainingOrder,
    TrainingReport,
)
from lethe.evaluator.gpus import find_gpus
from lethe.evaluator.worker.server_client import ServerAway, ServerRefused, WorkClient

log = structlog.stdlib.get_logger(__name__)

FIRST_BEAT_S = 3.0


class ServerOrders:
    """Orders over the internal API; see `evaluator.banks.trainer.OrderSource`. A server that is away gives none."""

    def __init__(self, client: WorkClient, worker: str, stop: threading.Event) -> None:
        self.beat_s = FIRST_BEAT_S
        self._client = client
        self._worker = worker
        self._stop = stop
        self._gpu = bool(find_gpus())

    def claim(self, count: int) -> Sequence[TrainingOrder]:
        claim = TrainingClaim(worker=self._worker, count=min(count, MOST_ORDERS), torch=version("torch"), gpu=self._gpu)
        try:
            answer = self._client.claim_training(claim)
        except ServerAway:
            return ()
        self.beat_s = min(FIRST_BEAT_S, answer.lease_s / 4)
        return answer.orders

    def renew(self, held: Sequence[OrderRef]) -> Sequence[OrderRef]:
        try:
            return self._client.renew_training(TrainingHeartbeat(worker=self._worker, held=tuple(held))).lost
        except ServerAway as error:
            log.warning("heartbeat_not_delivered", error=str(error))
            return ()

    def report(self, order: OrderRef, end: OrderEnd, message: str = "") -> None:
        report = TrainingReport(order=order, end=end, message=message[:2000])
        self._client.report_training(report, give_up=self._stop)


class BankTrainer:
    """Trains as long as there are models to train, `slots` at once."""

    def __init__(self, client: WorkClient, store: ArtifactStore, *, worker: str, slots: int) -> None:
        self._client = client
        self._store = store
        self._worker = worker
        self._slots = slots

    def train(self, stop: threading.Event) -> bool:
        """Train until nothing is left, a submission waits or `stop` is set; models in flight are then handed back.

        False when there was nothing to train.
        """
        source = ServerOrders(self._client, self._worker, stop)
        try:
            with training_pool(self._slots) as pool:  # starts processes only when there is something to train
                count = train_orders(source, self._store, pool, stop=stop, tick=lambda: None)
        except (TrainingFailed, ServerRefused, ArtifactError, BaseError, OSError) as error:
            log.warning("training_interrupted", error=f"{type(error).__name__}: {error}")
            return False
        if count:
            log.info("models_trained", count=count)
        return count > 0
