"""The internal API of workers: claim, heartbeat and outcome. A 2xx means committed."""

from fastapi import APIRouter, Response

from evaluator.contract.work import Claim, Heartbeat, HeartbeatAnswer, Job, Outcome, OutcomeAnswer
from server.auth import CurrentWorkerKey
from server.context import AppContext
from server.work import service

router = APIRouter(prefix="/internal/v1/work", tags=["internal"], include_in_schema=False)


@router.post("/claim", response_model=Job, responses={204: {"description": "There is nothing to do"}})
def claim(claim: Claim, key: CurrentWorkerKey, context: AppContext) -> Job | Response:
    """Lease the next item to this worker."""
    with context.database.write() as session:
        settings = context.settings
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
