"""The web application: REST API, internal work API, health and pages. Imports no torch."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from anyio import CapacityLimiter
from fastapi import APIRouter, FastAPI
from fastapi.middleware.gzip import GZipMiddleware

from server.accounts import endpoints as accounts
from server.competitions import endpoints as competitions
from server.context import create_context
from server.hosting import audit_endpoints as audit
from server.hosting import endpoints as hosts
from server.http.access_log import AccessLog, RequestTimes
from server.http.body_limit import BodyLimit
from server.http.docs_page import mount_docs
from server.http.openapi import complete_document
from server.http.problem_handlers import ProblemHandlers
from server.http.rate_limit import RateLimit
from server.leaderboard import endpoints as leaderboard
from server.leaderboard.response_cache import BoardCache
from server.monitoring import endpoints
from server.pages import routes as pages
from server.pages.errors import problem_page
from server.pages.leaderboard import endpoints as board_pages
from server.queue import endpoints as work
from server.queue import training_endpoints as oracles
from server.security.passwords import unknown_users_hash
from server.settings import Settings
from server.submissions import endpoints as submissions
from server.submissions import parser_pool
from server.submissions.event_stream import Feed
from server.teams import endpoints as teams

DESCRIPTION = """Competition server for machine unlearning. Upload one Python file that defines
`unlearning(net, retain, forget, validation)`; Lethe runs it many times in a sandbox and compares the unlearned models
with models that were retrained without the forget set. Errors are RFC 9457 problem documents with a stable `code`."""


def create_app(settings: Settings) -> FastAPI:
    """The application for `settings`; connects to nothing yet."""
    context = create_context(settings)
    unknown_users_hash()

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        context.database.dispose()

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
    app.state.board_pages = board_pages.Boards()
    app.state.feed = Feed(context.database)
    app.state.uploads = CapacityLimiter(parser_pool.AT_ONCE)
    ProblemHandlers(context.database, problem_page).register(app)
    app.add_middleware(BodyLimit)
    app.add_middleware(
        RateLimit, rates=context.rates, per_address=settings.rate_per_address, per_token=settings.rate_per_token
    )
    app.add_middleware(GZipMiddleware, minimum_size=1024, compresslevel=6)
    app.add_middleware(BoardCache)  # outside of limits and compression: what is kept costs less than counting it
    app.state.request_times = RequestTimes()
    app.state.readiness = endpoints.Readiness(context)
    app.add_middleware(AccessLog, times=app.state.request_times)  # added last: the outermost
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
