"""All pages as one router, and their static files."""

from fastapi import APIRouter, FastAPI

from lethe.server.pages.account import endpoints as account
from lethe.server.pages.account import mail_endpoints as mail
from lethe.server.pages.analysis import endpoints as analysis
from lethe.server.pages.competition import endpoints as competition
from lethe.server.pages.deletion import endpoints as deletion
from lethe.server.pages.device import endpoints as device
from lethe.server.pages.errors import endpoints as errors
from lethe.server.pages.host import endpoints as host
from lethe.server.pages.hosted import endpoints as hosted
from lethe.server.pages.leaderboard import endpoints as leaderboard
from lethe.server.pages.rendering import STATIC, Assets
from lethe.server.pages.sharing import endpoints as sharing
from lethe.server.pages.sign_in import endpoints as sign_in
from lethe.server.pages.sources import endpoints as sources
from lethe.server.pages.specification import endpoints as specification
from lethe.server.pages.submission import endpoints as submission
from lethe.server.pages.submissions import endpoints as submissions
from lethe.server.pages.team import endpoints as team
from lethe.server.pages.upload import endpoints as upload
from lethe.server.pages.webhooks import endpoints as webhooks

router = APIRouter(include_in_schema=False)
for noun in (
    competition, leaderboard, account, mail, sign_in, device, upload, submission, submissions, sources, analysis, team,
    hosted, specification, deletion, webhooks, host, errors, sharing,
):  # fmt: skip
    router.include_router(noun.router)


def mount_static(app: FastAPI) -> None:
    """Serve the pages' static files below /static."""
    app.mount("/static", Assets(directory=STATIC), name="static")
