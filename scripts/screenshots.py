"""Pictures of a real run for the README: the demo's leaderboard and the page of its best submission.

`python -m scripts.screenshots [--home var/demo]` runs `lethe demo` there, or continues an earlier one.
"""

import argparse
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from playwright.sync_api import sync_playwright
from sqlalchemy import select
from starlette.datastructures import URL

from lethe.server.cli.demo import BASELINES, SLUG
from lethe.server.cli.options import command_line
from lethe.server.client import ApiError, Client
from lethe.server.database.engine import Database
from lethe.server.models import Score, Submission
from lethe.server.security import sessions
from lethe.server.settings import Settings

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
WIDTH, HEIGHT = 1200, 1000


def main() -> None:
    """Run the demo and write the two pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, default=ROOT / "var" / "demo", help="home folder of the demo")
    parser.add_argument("--port", type=int, default=8017)
    given = parser.parse_args()
    settings = Settings(home=given.home, port=given.port)
    command = command_line("demo", "--home", str(settings.home), "--port", str(settings.port))
    demo = subprocess.Popen(command, env={**os.environ, "PYTHONUNBUFFERED": "1"})
    try:
        await_scores(settings, demo)
        shoot(settings)
    finally:
        demo.send_signal(signal.SIGINT)
        demo.wait(timeout=60)


def await_scores(settings: Settings, demo: subprocess.Popen[bytes]) -> None:
    """Return once every baseline is on the board; RuntimeError if the demo ends before."""
    while True:
        if demo.poll() is not None:
            raise RuntimeError(f"the demo ended with code {demo.returncode}")
        try:
            with Client(settings.server_url) as client:
                if client.leaderboard(SLUG).teams >= len(BASELINES):
                    return
        except ApiError:
            pass  # it is still being prepared
        time.sleep(2)


def shoot(settings: Settings) -> None:
    """Write both pictures."""
    best, cookie = best_submission(settings)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), chromium_sandbox=False, args=["--disable-gpu"]
        )
        context = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        page = context.new_page()
        page.goto(f"{settings.server_url}/competitions/{SLUG}/leaderboard")
        page.wait_for_load_state("networkidle")
        page.screenshot(path=IMAGES / "leaderboard.png")
        context.add_cookies(
            [{"name": sessions.cookie_name(URL(settings.server_url), ""), "value": cookie, "url": settings.server_url}]
        )
        page.goto(f"{settings.server_url}/submissions/{best}")
        page.wait_for_load_state("networkidle")
        page.screenshot(path=IMAGES / "submission.png")
        browser.close()


def best_submission(settings: Settings) -> tuple[str, str]:
    """Return the id of the submission with the highest score, and a session of its author."""
    database = Database(settings.database)
    with database.write() as session:
        query = select(Submission).join(Score, Score.submission_id == Submission.id).order_by(Score.final_score.desc())
        found = session.scalars(query.limit(1)).one()
        answer = str(found.id), sessions.begin(session, found.user_id)
    database.dispose()
    return answer


if __name__ == "__main__":
    main()
