"""Liveness, readiness and Prometheus metrics, at the root of the server."""

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from obstore.exceptions import BaseError
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from sqlalchemy import func, select, text
from sqlalchemy.exc import SQLAlchemyError

from evaluator.artifacts import ArtifactError
from evaluator.contract.states import SubmissionState, WorkState
from server.context import AppContext, Context
from server.db import utc_now
from server.models import Submission, WorkItem

router = APIRouter(tags=["health"])


@router.get("/healthz")
def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz", responses={503: {"description": "A part that `serve` needs does not answer"}})
def readyz(context: AppContext) -> JSONResponse:
    """Whether database, broker and artifact store answer, each by name.

    A broker away does not make the server unready: uploads are stored and workers poll.
    """
    parts = {
        "database": _database(context),
        "broker": "ok" if context.wake.is_reachable() else "unreachable",
        "artifacts": _artifacts(context),
    }
    ready = parts["database"] == "ok" and parts["artifacts"] == "ok"
    return JSONResponse(
        {"status": "ready" if ready else "not ready", "parts": parts}, status_code=200 if ready else 503
    )


def _database(context: Context) -> str:
    try:
        with context.database.read() as session:
            session.execute(text("SELECT version_num FROM alembic_version"))
    except SQLAlchemyError as error:
        return f"unreachable or not migrated ({type(error).__name__}): run lethe migrate"
    return "ok"


def _artifacts(context: Context) -> str:
    try:
        context.artifacts.exists("readiness-probe")
    except (ArtifactError, BaseError, OSError) as error:
        return f"unreachable ({type(error).__name__})"
    return "ok"


@router.get("/metrics", response_class=Response)
def metrics(context: AppContext) -> Response:
    """Submissions by state, work items by stage, state and sandbox mode, and the age of the oldest waiting item."""
    registry = CollectorRegistry()
    submissions = Gauge("lethe_submissions", "Submissions by state", ["state"], registry=registry)
    items = Gauge("lethe_work_items", "Work items", ["stage", "state", "sandbox_mode"], registry=registry)
    oldest = Gauge("lethe_work_oldest_ready_seconds", "Age of the oldest item without a worker", registry=registry)
    with context.database.read() as session:
        counts = session.execute(select(Submission.state, func.count()).group_by(Submission.state))
        by_state = {str(state): int(count) for state, count in counts}
        for state in SubmissionState:
            submissions.labels(state).set(by_state.get(state, 0))
        for stage, work_state, mode, count in session.execute(
            select(WorkItem.stage, WorkItem.state, WorkItem.sandbox_mode, func.count()).group_by(
                WorkItem.stage, WorkItem.state, WorkItem.sandbox_mode
            )
        ):
            items.labels(stage, work_state, mode or "").set(count)
        waiting = session.scalar(
            select(WorkItem.created_at).where(WorkItem.state == WorkState.READY).order_by(WorkItem.created_at).limit(1)
        )
        oldest.set((utc_now() - waiting).total_seconds() if waiting else 0)
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
