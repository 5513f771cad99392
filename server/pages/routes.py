"""All pages as one router, and their static files."""

from fastapi import APIRouter, FastAPI

from server.pages.account import endpoints as account
from server.pages.analysis import endpoints as analysis
from server.pages.competition import endpoints as competition
from server.pages.host import endpoints as host
from server.pages.leaderboard import endpoints as leaderboard
from server.pages.rendering import STATIC, Assets
from server.pages.submission import evidence
from server.pages.team import endpoints as team
from server.pages.upload import endpoints as upload

router = APIRouter(include_in_schema=False)
for page in (competition, leaderboard, account, upload, evidence, analysis, team, host):
    router.include_router(page.router)


def mount_static(app: FastAPI) -> None:
    """Serve the pages' static files below /static."""
    app.mount("/static", Assets(directory=STATIC), name="static")
