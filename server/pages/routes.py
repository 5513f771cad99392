"""All pages as one router, and their static files."""

from fastapi import APIRouter, FastAPI

from server.pages.account import endpoints as account
from server.pages.analysis import endpoints as analysis
from server.pages.competition import endpoints as competition
from server.pages.errors import endpoints as errors
from server.pages.host import endpoints as host
from server.pages.leaderboard import endpoints as leaderboard
from server.pages.rendering import STATIC, Assets
from server.pages.submission import endpoints as submission
from server.pages.team import endpoints as team
from server.pages.upload import endpoints as upload

router = APIRouter(include_in_schema=False)
for noun in (competition, leaderboard, account, upload, submission, analysis, team, host, errors):
    router.include_router(noun.router)


def mount_static(app: FastAPI) -> None:
    """Serve the pages' static files below /static."""
    app.mount("/static", Assets(directory=STATIC), name="static")
