"""The internal API of workers: register, claim, heartbeat, outcome and leave. A 2xx means committed."""

from fastapi import APIRouter, Response

from evaluator.contract.states import Stage
from evaluator.contract.work import (
    UNSAFE_BACKEND,
    Capabilities,
    Claim,
    Heartbeat,
    HeartbeatAnswer,
    Leave,
    Outcome,
    OutcomeAnswer,
    Registration,
    RegistrationAnswer,
)
from server.auth import CurrentWorkerKey, WorkerKeyDigest
from server.context import AppContext
from server.errors import Forbidden
from server.settings import Settings
from server.work import service, workers


class UnsafeWorker(Forbidden):
    """A worker that isolates nothing asked a server that gives it none of its submissions."""

    code = "unsafe_worker"
    title = "Worker isolates nothing"


router = APIRouter(prefix="/internal/v1/work", tags=["internal"], include_in_schema=False)


@router.post("/register")
def register(registration: Registration, key: CurrentWorkerKey, context: AppContext) -> RegistrationAnswer:
    """Note a worker that starts, and free what its predecessor of the same name held."""
    settings = context.settings
    _require_isolation(registration.capabilities, settings)
    with context.database.write() as session:
        answer = service.register(
            session, registration, key, lease_s=settings.lease_s, max_attempts=settings.max_attempts
        )
    if answer.released:
        context.wake.workers(answer.released)
    return answer


@router.post("/leave", status_code=204)
def leave(leave: Leave, key: WorkerKeyDigest, context: AppContext) -> Response:
    """Note a worker that stops."""
    with context.database.write() as session:
        workers.leave(session, key, leave.worker)
    return Response(status_code=204)


@router.post("/claim")
def claim(claim: Claim, key: WorkerKeyDigest, context: AppContext) -> Response:
    """Lease the next item to this worker."""
    settings = context.settings
    with context.database.write() as session:
        worker = workers.hear(session, key, claim.worker)
        _require_isolation(worker.capabilities, settings)
        job = service.claim(session, worker, lease_s=settings.lease_s, max_attempts=settings.max_attempts)
    if job is None:
        return Response(status_code=204)
    return Response(job.model_dump_json(), media_type="application/json")  # it was built here: nothing to validate


@router.post("/heartbeat")
def heartbeat(beat: Heartbeat, key: WorkerKeyDigest, context: AppContext) -> HeartbeatAnswer:
    """Keep a lease and report finished runs."""
    with context.database.write() as session:
        return service.heartbeat(session, beat, key, lease_s=context.settings.lease_s)


@router.post("/outcome")
def outcome(outcome: Outcome, key: WorkerKeyDigest, context: AppContext) -> OutcomeAnswer:
    """Report how an item ended."""
    with context.database.write() as session:
        reported = service.report(session, outcome, key, max_attempts=context.settings.max_attempts)
    if reported.waits is Stage.SCORE:
        context.wake.control()
    elif reported.waits is not None:
        context.wake.workers(reported.count)
    return OutcomeAnswer(accepted=reported.accepted)


def _require_isolation(capabilities: Capabilities, settings: Settings) -> None:
    if not capabilities.isolates and settings.sandbox_backend != UNSAFE_BACKEND:
        raise UnsafeWorker(
            f"This worker isolates nothing ({capabilities.sandbox_mode}). Unset its LETHE_SANDBOX_BACKEND; or, to "
            f"develop, set LETHE_SANDBOX_BACKEND={UNSAFE_BACKEND} on the server as well."
        )
