"""The internal API of trainers: claim, renew by heartbeat, and report. A 2xx means committed."""

from fastapi import APIRouter

from lethe.evaluator.contract.training import (
    TrainingClaim,
    TrainingHeartbeat,
    TrainingHeartbeatAnswer,
    TrainingOrders,
    TrainingReport,
)
from lethe.evaluator.contract.work import OutcomeAnswer
from lethe.server.context import AppContext
from lethe.server.queue import training_orders, workers
from lethe.server.queue.training_orders import Trainer
from lethe.server.security.credentials import CurrentWorkerKey

router = APIRouter(prefix="/internal/v1/training", tags=["internal"], include_in_schema=False)


@router.post("/claim")
def claim(claim: TrainingClaim, key: CurrentWorkerKey, context: AppContext) -> TrainingOrders:
    """Lease models to this worker; none while submissions wait."""
    trainer = Trainer(name=claim.worker, torch=claim.torch, gpu=claim.gpu, worker_key_id=key.id)
    lease_s = context.settings.lease_s
    with context.database.write() as session:
        worker = workers.record_contact(session, key.digest, claim.worker)
        if not worker.may_work() or training_orders.submissions_wait(session):
            return TrainingOrders(lease_s=lease_s)
        claimed = training_orders.claim(session, trainer, count=claim.count, lease_s=lease_s)
    return TrainingOrders(orders=tuple(claimed), lease_s=lease_s)


@router.post("/heartbeat")
def heartbeat(beat: TrainingHeartbeat, key: CurrentWorkerKey, context: AppContext) -> TrainingHeartbeatAnswer:
    """Renew leases and name the lost ones. While a worker trains, this call is its only sign of life."""
    with context.database.write() as session:
        workers.record_contact(session, key.digest, beat.worker)
        return TrainingHeartbeatAnswer(
            lost=tuple(training_orders.renew(session, beat.held, key.id, lease_s=context.settings.lease_s))
        )


@router.post("/report")
def report(report: TrainingReport, key: CurrentWorkerKey, context: AppContext) -> OutcomeAnswer:
    """Report how an order ended."""
    with context.database.write() as session:
        return OutcomeAnswer(accepted=training_orders.report(session, report.order, key.id, report.end, report.message))
