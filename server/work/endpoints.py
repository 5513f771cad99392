"""The internal API of workers: claim, heartbeat and outcome. A 2xx means committed."""

from fastapi import APIRouter, Response

from evaluator.contract.work import UNSAFE_BACKEND, Claim, Heartbeat, HeartbeatAnswer, Job, Outcome, OutcomeAnswer
from server.auth import CurrentWorkerKey
from server.context import AppContext
from server.errors import Forbidden
from server.work import service


class UnsafeWorker(Forbidden):
    """A worker that isolates nothing asked a server that gives it none of its submissions."""

    code = "unsafe_worker"
    title = "Worker isolates nothing"


router = APIRouter(prefix="/internal/v1/work", tags=["internal"], include_in_schema=False)


@router.post("/claim", response_model=Job, responses={204: {"description": "There is nothing to do"}})
def claim(claim: Claim, key: CurrentWorkerKey, context: AppContext) -> Job | Response:
    """Lease the next item to this worker."""
    settings = context.settings
    if not claim.isolates and settings.sandbox_backend != UNSAFE_BACKEND:
        raise UnsafeWorker(
            f"This worker isolates nothing ({claim.sandbox_mode}). Unset its LETHE_SANDBOX_BACKEND; or, to develop, "
            f"set LETHE_SANDBOX_BACKEND={UNSAFE_BACKEND} on the server as well."
        )
    with context.database.write() as session:
        job = service.claim(session, claim, key, lease_s=settings.lease_s, max_attempts=settings.max_attempts)
    return job if job is not None else Response(status_code=204)


@router.post("/heartbeat")
def heartbeat(beat: Heartbeat, key: CurrentWorkerKey, context: AppContext) -> HeartbeatAnswer:
    """Keep a lease and report finished runs."""
    with context.database.write() as session:
        return service.heartbeat(session, beat, key, lease_s=context.settings.lease_s)


@router.post("/outcome")
def outcome(outcome: Outcome, key: CurrentWorkerKey, context: AppContext) -> OutcomeAnswer:
    """Report how an item ended."""
    with context.database.write() as session:
        answer = service.report(session, outcome, key, max_attempts=context.settings.max_attempts)
    context.wake.control()
    context.wake.workers()
    return answer
