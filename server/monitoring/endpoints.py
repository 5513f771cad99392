"""Liveness, readiness and metrics at the root of the server."""

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from lethe.server.context import AppContext, Context
from lethe.server.monitoring.prometheus import MEDIA_TYPE, render
from lethe.server.monitoring.readiness import OK, Readiness

router = APIRouter(tags=["health"])

PROBE_LIMIT_S = 1.5
THREADS = 4


def own_threads(_context: Context) -> CapacityLimiter:
    """Return threads for monitoring alone: it answers also while all request threads wait for the database."""
    return CapacityLimiter(THREADS)


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": OK}


@router.get("/readyz", responses={503: {"description": "A part that `serve` needs does not answer"}})
async def readyz(context: AppContext) -> JSONResponse:
    """Whether database, broker and artifact store answer, each by name, within two seconds even when one hangs.

    A broker that is away does not make the server unready: uploads are stored, and workers poll.
    """
    parts = await to_thread.run_sync(context.one(Readiness).ask, PROBE_LIMIT_S, limiter=context.one(own_threads))
    ready = parts["database"] == OK and parts["artifacts"] == OK
    return JSONResponse(
        {"status": "ready" if ready else "not ready", "parts": parts}, status_code=200 if ready else 503
    )


@router.get("/metrics", response_class=Response)
async def metrics(context: AppContext) -> Response:
    """Prometheus metrics: queue, outcomes, runs, leases and scoring of the whole site; latencies, connections and disk
    of this process. Without the database only the latter.
    """
    rendered = await to_thread.run_sync(render, context, limiter=context.one(own_threads))
    return Response(rendered, media_type=MEDIA_TYPE)
