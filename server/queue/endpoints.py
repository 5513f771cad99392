"""The internal API of workers: register, claim, renew by heartbeat, report an outcome, leave. A 2xx means committed."""

from fastapi import APIRouter, Response

from lethe.evaluator.contract.base import Contract
from lethe.evaluator.contract.states import Stage
from lethe.evaluator.contract.work import (
    Claim,
    Heartbeat,
    Leave,
    Outcome,
    OutcomeAnswer,
    Registration,
    RegistrationAnswer,
)
from lethe.server.context import AppContext
from lethe.server.queue import claims, reports, workers
from lethe.server.security.credentials import CurrentWorkerKey, WorkerKeyDigest

router = APIRouter(prefix="/internal/v1/work", tags=["internal"], include_in_schema=False)


@router.post("/register")
def register(registration: Registration, key: CurrentWorkerKey, context: AppContext) -> RegistrationAnswer:
    """Note a worker that starts, and expire the leases of its predecessor of the same name."""
    settings = context.settings
    workers.require_isolation(registration.capabilities, settings.sandbox_backend)
    with context.database.write() as session:
        answer = reports.register(
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
        job = claims.claim(
            session,
            claim.worker,
            key,
            lease_s=settings.lease_s,
            max_attempts=settings.max_attempts,
            server_backend=settings.sandbox_backend,
        )
    return Response(status_code=204) if job is None else _answer(job)


@router.post("/heartbeat")
def heartbeat(beat: Heartbeat, key: WorkerKeyDigest, context: AppContext) -> Response:
    """Renew a lease and record finished runs."""
    with context.database.write() as session:
        answer = reports.heartbeat(session, beat, key, lease_s=context.settings.lease_s)
    return _answer(answer)


@router.post("/outcome")
def outcome(outcome: Outcome, key: WorkerKeyDigest, context: AppContext) -> Response:
    """Report how an item ended."""
    with context.database.write() as session:
        reported = reports.report(session, outcome, key, max_attempts=context.settings.max_attempts)
    if reported.waits is Stage.SCORE:
        context.wake.control()
    elif reported.waits is not None:
        context.wake.workers(reported.count)
    return _answer(OutcomeAnswer(accepted=reported.accepted))


def _answer(value: Contract) -> Response:
    """Return `value` as JSON. FastAPI would validate it again, in another thread."""
    return Response(value.model_dump_json(), media_type="application/json")
