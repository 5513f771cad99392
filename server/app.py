"""The web application: REST API, internal work API, health and pages. Imports no torch."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache

from fastapi import APIRouter, FastAPI
from fastapi.middleware.gzip import GZipMiddleware
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES
from starlette.routing import BaseRoute

from lethe import __version__
from lethe.server.accounts import device_endpoints as devices
from lethe.server.accounts import endpoints as accounts
from lethe.server.competitions import endpoints as competitions
from lethe.server.context import create_context
from lethe.server.hosting import account_endpoints, webhook_endpoints
from lethe.server.hosting import audit_endpoints as audit
from lethe.server.hosting import endpoints as hosts
from lethe.server.http import artifact_download
from lethe.server.http.access_log import AccessLog
from lethe.server.http.body_limit import BodyLimit
from lethe.server.http.docs_page import mount_docs
from lethe.server.http.head_requests import HeadRequests
from lethe.server.http.openapi import complete_document
from lethe.server.http.problem_handlers import ProblemHandlers
from lethe.server.http.rate_limit import RateLimit
from lethe.server.http.sub_path import SubPath
from lethe.server.leaderboard import endpoints as leaderboard
from lethe.server.leaderboard.response_cache import BoardCache
from lethe.server.monitoring import endpoints
from lethe.server.monitoring.prometheus import request_times
from lethe.server.pages import routes as pages
from lethe.server.pages.errors import problem_page
from lethe.server.queue import endpoints as work
from lethe.server.queue import training_endpoints as oracles
from lethe.server.scoring import endpoints as evidence
from lethe.server.security.passwords import unknown_users_hash
from lethe.server.security.worker_key_gate import WorkerKeyGate
from lethe.server.settings import Settings
from lethe.server.submissions import description_endpoints as descriptions
from lethe.server.submissions import endpoints as submissions
from lethe.server.teams import endpoints as teams

DESCRIPTION = """Competition server for machine unlearning. Upload one Python file that defines
`unlearning(net, retain, forget, validation)`; Lethe runs it many times in a sandbox and compares the unlearned models
with models that were retrained without the forget set. Errors are RFC 9457 problem documents with a stable `code`."""


def create_app(settings: Settings) -> FastAPI:
    """Build the application for `settings`; it connects to nothing yet."""
    context = create_context(settings)
    unknown_users_hash()

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        context.dispose()

    app = FastAPI(
        routes=_routes(),
        title="Lethe",
        version=__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    mount_docs(app, settings.root_path)
    app.state.context = context
    ProblemHandlers(context.database, problem_page).register(app)
    app.add_middleware(WorkerKeyGate, context=context)
    app.add_middleware(
        RateLimit, rates=context.rates, per_address=settings.rate_per_address, per_token=settings.rate_per_token
    )
    app.add_middleware(BodyLimit)  # outside of all that answers before it has read the body
    unpacked = (*DEFAULT_EXCLUDED_CONTENT_TYPES, artifact_download.MEDIA_TYPE)  # ranges count a file's own bytes
    app.add_middleware(GZipMiddleware, minimum_size=1024, compresslevel=6, exclude_content_types=unpacked)
    app.add_middleware(BoardCache)  # outside of limits and compression: a stored answer costs less than a count
    app.add_middleware(HeadRequests)
    app.add_middleware(AccessLog, times=context.one(request_times))
    app.add_middleware(SubPath, root=settings.root_path)  # added last: the outermost, so that all others see one path
    pages.mount_static(app)
    complete_document(app, settings.root_path)
    return app


@cache
def _routes() -> list[BaseRoute]:
    """The routes that are the same whatever the settings. Once for all applications of a process, because FastAPI takes
    a third of a second to read what their parameters are.
    """
    site = APIRouter()
    site.include_router(work.router)  # first, because routes are tried in turn and workers ask the most
    site.include_router(oracles.router)
    api = APIRouter(prefix="/api/v1")
    for part in (
        accounts, devices, account_endpoints, competitions, hosts, teams, submissions, descriptions, evidence,
        leaderboard, audit, webhook_endpoints,
    ):  # fmt: skip
        api.include_router(part.router)
    site.include_router(api)
    site.include_router(endpoints.router)
    site.include_router(pages.router)
    return site.routes
