"""The web application: REST API, internal work API, health and pages. Imports no torch."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import APIRouter, FastAPI
from fastapi.middleware.gzip import GZipMiddleware

from server.accounts import endpoints as accounts
from server.competitions import endpoints as competitions
from server.context import create_context
from server.hosting import audit_endpoints as audit
from server.hosting import endpoints as hosts
from server.http.access_log import AccessLog
from server.http.body_limit import BodyLimit
from server.http.docs_page import mount_docs
from server.http.openapi import complete_document
from server.http.problem_handlers import ProblemHandlers
from server.http.rate_limit import RateLimit
from server.leaderboard import endpoints as leaderboard
from server.leaderboard.response_cache import BoardCache
from server.monitoring import endpoints
from server.monitoring.prometheus import request_times
from server.pages import routes as pages
from server.pages.errors import problem_page
from server.queue import endpoints as work
from server.queue import training_endpoints as oracles
from server.security.passwords import unknown_users_hash
from server.settings import Settings
from server.submissions import endpoints as submissions
from server.teams import endpoints as teams

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
        title="Lethe",
        version=version("lethe"),
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    mount_docs(app)
    app.state.context = context
    ProblemHandlers(context.database, problem_page).register(app)
    app.add_middleware(BodyLimit)
    app.add_middleware(
        RateLimit, rates=context.rates, per_address=settings.rate_per_address, per_token=settings.rate_per_token
    )
    app.add_middleware(GZipMiddleware, minimum_size=1024, compresslevel=6)
    app.add_middleware(BoardCache)  # outside of limits and compression: a stored answer costs less than a count
    app.add_middleware(AccessLog, times=context.one(request_times))  # added last: the outermost
    app.include_router(work.router)  # first, because routes are tried in turn and workers ask the most
    app.include_router(oracles.router)
    api = APIRouter(prefix="/api/v1")
    for part in (accounts, competitions, hosts, teams, submissions, leaderboard, audit):
        api.include_router(part.router)
    app.include_router(api)
    app.include_router(endpoints.router)
    app.include_router(pages.router)
    pages.mount_static(app)
    complete_document(app)
    return app
