"""A real server with sample competitions on SQLite, and a real Chromium that reports everything it complains about."""

import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
import uvicorn
from fastapi import FastAPI
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from sqlalchemy import select
from starlette.datastructures import URL

from lethe.evaluator.contract.data_sources import SyntheticFacesSpec
from lethe.evaluator.contract.specification import CompetitionSpec
from lethe.evaluator.contract.states import Evaluation, Stage, SubmissionState, WorkState
from lethe.evaluator.data.contact_sheet import contact_sheet
from lethe.evaluator.data.sources.synthetic_faces import synthetic_faces
from lethe.server.app import create_app
from lethe.server.competitions import service as competitions
from lethe.server.context import Context
from lethe.server.http.protocol import BoundedHttp
from lethe.server.leaderboard import standings
from lethe.server.models import Base, Competition, Score, Submission, Team, TeamMember, User, WorkItem
from lethe.server.security import sessions
from lethe.server.settings import Settings
from tests.prepared_competitions import make_prepared_competition
from tests.scores import make_score

HOSTILE = "<script>document.title='owned'</script><img src=x>"
TEAMS = {
    "Styx and Stones": (0.1874, 9, 3),
    "palimpsest": (0.1791, 14, 1),
    "Tabula Rasa": (0.1760, 5, 30),
    "noise-then-tune": (0.1402, 22, 7),
    "Mnemosyne's Regret": (0.1385, 3, 55),
    "Ünlearn Zürich": (0.1294, 11, 12),
    "the quiet gradients of Acheron": (0.1127, 8, 90),
    "lotus_eaters": (0.1098, 17, 26),
    "Blank Slate Society": (0.0871, 2, 140),
    "Λήθη": (0.0855, 6, 71),
    HOSTILE[:40]: (0.0610, 1, 33),
    "reset-head": (0.0441, 4, 200),
    "fine-tune baseline": (0.0302, 1, 310),
    "ascent": (0.0107, 2, 311),
}
PATIENCE_MS = 30_000  # of a busy machine; a test that passes never waits that long
expect.set_options(timeout=PATIENCE_MS)
SOURCE = "import torch\n\n\ndef unlearning(net, retain, forget, validation):\n    return net\n"
START = datetime(2025, 5, 20, 9, 31, tzinfo=UTC)


class Site:
    """A running server and the hands to change what it shows."""

    def __init__(self, url: str, app: FastAPI) -> None:
        self.url = url
        self.app = app
        self.context: Context = app.state.context
        self._people = 0
        faces = synthetic_faces(SyntheticFacesSpec(), 12, np.random.SeedSequence(1))
        self._sheet = self.context.artifacts.put("contact-sheet.png", contact_sheet(faces))
        self._source = self.context.artifacts.put("source.py", SOURCE.encode())

    def add_competition(self, slug: str, *, title: str, summary: str = "", description: str = "") -> None:
        """A new open competition with an empty board and a contact sheet of synthetic faces."""
        spec = CompetitionSpec(slug=slug, title=title, summary=summary, description=description)
        environment = {"python": "3.11.2", "torch": "2.15.0", "torchvision": "0.30.0", "numpy": "2.3.1"}
        prepared_competition = make_prepared_competition(
            self._sheet, environment=environment
        )  # the pages read the contact sheet only
        with self.context.database.write() as session:
            competitions.create(session, spec, prepared_competition).opened_at = START - timedelta(days=20)

    def add_person(self, name: str) -> dict[str, Any]:
        """The browser state of a new account that is logged in."""
        with self.context.database.write() as session:
            user = User(username=name, username_key=name, email=name, email_key=name, password_hash="")
            session.add(user)
            session.flush()
            value = sessions.begin(session, user.id)
        attributes = {"path": "/", "expires": -1, "httpOnly": True, "secure": False, "sameSite": "Lax"}
        cookie = {"name": sessions.cookie_name(URL(self.url), ""), "value": value, "domain": "127.0.0.1"}
        return {"cookies": [cookie | attributes], "origins": []}

    def add_team(self, slug: str, name: str, *people: str) -> None:
        """A team of people who have accounts."""
        with self.context.database.write() as session:
            competition = competitions.get_competition(session, slug)
            team = Team(competition_id=competition.id, name=name, name_key=name.casefold())
            session.add(team)
            session.flush()
            for user_id in session.scalars(select(User.id).where(User.username_key.in_(people))):
                session.add(TeamMember(competition_id=competition.id, user_id=user_id, team_id=team.id))

    def add_submission(self, slug: str, team: str, state: str, **more: Any) -> str:
        """Where the page is of a submission of that team's first member."""
        with self.context.database.write() as session:
            competition = competitions.get_competition(session, slug)
            found = session.scalars(select(Team).where(Team.competition_id == competition.id, Team.name == team)).one()
            member = session.scalars(select(TeamMember).where(TeamMember.team_id == found.id)).first()
            assert member is not None
            user = session.get_one(User, member.user_id)
            submission = _submission(competition, found, user, START)
            submission.source_key, submission.state = self._source.key, state
            for name, value in more.items():
                setattr(submission, name, value)
            session.add(submission)
            session.flush()
            if submission.check_report is not None:  # it shows when the check has ended
                session.add(_ended_check(submission))
            return f"/submissions/{submission.id}"

    def add_score(self, slug: str, team: str, score: float, *, entries: int = 1, hours_ago: float = 0) -> None:
        """A scored submission of a new team of one new person, and the standings after it."""
        self._people += 1
        name = f"person-{self._people}"
        self.add_person(name)
        self.add_team(slug, team, name)
        with self.context.database.write() as session:
            competition = competitions.get_competition(session, slug)
            user = session.scalars(select(User).where(User.username == name)).one()
            group = session.scalars(select(Team).where(Team.competition_id == competition.id, Team.name == team)).one()
            last = START - timedelta(hours=hours_ago)
            uploads = [
                _submission(competition, group, user, last - timedelta(hours=17 * number)) for number in range(entries)
            ]
            session.add_all(uploads)
            session.flush()
            session.add_all(
                _score(competition, score * 0.9**number, seed=self._people, submission=upload)
                for number, upload in enumerate(uploads)
            )
            session.flush()
            standings.refresh(session, competition, Evaluation.PUBLIC, group.id)

    def add_references(self, slug: str) -> None:
        """Ceiling and floor."""
        with self.context.database.write() as session:
            competition = competitions.get_competition(session, slug)
            session.add(_score(competition, 0.21, seed=0, half_width=0.03, reference="ceiling"))
            session.add(_score(competition, 0.0, seed=0, half_width=0.0, reference="floor"))


def _ended_check(submission: Submission) -> WorkItem:
    return WorkItem(
        submission_id=submission.id,
        competition_id=submission.competition_id,
        team_id=submission.team_id,
        generation=submission.generation,
        stage=Stage.CHECK,
        chunk=0,
        first_run=0,
        run_count=2,
        turn=0,
        state=WorkState.DONE,
        claimed_at=START,
        done_at=START,
    )


def _submission(competition: Competition, team: Team, user: User, finished_at: datetime) -> Submission:
    return Submission(
        competition_id=competition.id,
        team_id=team.id,
        user_id=user.id,
        filename="submission.py",
        source_key="none",
        source_sha256="0" * 64,
        state=SubmissionState.SCORED,
        runs_total=32,
        deadline_at=finished_at,
        finished_at=finished_at,
    )


def _score(
    competition: Competition,
    score: float,
    *,
    seed: int,
    half_width: float = 0.02,
    submission: Submission | None = None,
    reference: str | None = None,
) -> Score:
    spread = half_width / 2.13 / np.sqrt(15)  # what a jackknife over 16 groups turns back into the interval
    replicates = score + spread * np.random.default_rng(seed).standard_normal(16)
    return make_score(
        competition.id,
        score,
        submission=submission,
        reference=reference,
        interval_low=max(0.0, score - half_width),
        interval_high=score + half_width,
        replicates=replicates.tolist(),
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The server with three competitions: `faces` has 14 teams, `quiet` none, `live` none until a test adds some."""
    app = create_app(Settings(home=tmp_path_factory.mktemp("home"), log_level="WARNING"))
    context: Context = app.state.context
    Base.metadata.create_all(context.database.engine)
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, http=BoundedHttp, log_config=None, ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    running = Site(f"http://127.0.0.1:{listener.getsockname()[1]}", app)
    try:
        _fill(running)
        deadline = time.monotonic() + 60
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.02)
        assert server.started
        yield running
    finally:
        server.should_exit = True
        thread.join(timeout=60)
        assert not thread.is_alive()


def _fill(site: Site) -> None:
    site.add_competition("quiet", title="Digits, quietly")
    site.add_competition("live", title="A board that moves", summary=f"Summary with {HOSTILE}")
    site.add_competition(
        "faces",
        title="Forgotten faces",
        summary="Ten people asked to be forgotten. Remove their photographs from an age classifier.",
        description=(
            "A small network was trained to tell the age group of a face from a photograph of 32 by 32 pixels.\n"
            "Some of the people in its training set have withdrawn their consent.\n\n"
            f"Write the function that makes the network forget them. Markup such as {HOSTILE} is only text here."
        ),
    )
    site.add_references("faces")
    for team, (score, entries, hours_ago) in TEAMS.items():
        site.add_score("faces", team, score, entries=entries, hours_ago=hours_ago)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The system's Chromium. Not for the whole session: Playwright keeps an event loop running in this thread."""
    arguments = ["--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage", "--no-first-run"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), chromium_sandbox=False, args=arguments
        )
        yield browser
        browser.close()


OpenPage = Callable[..., Page]


@pytest.fixture
def open_page(site: Site, chromium: Browser) -> Iterator[OpenPage]:
    """Opens a path in a fresh context with the given options; fails the test if the browser complained."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def complain(text: str, ignore: str) -> None:
        if not ignore or ignore not in text:
            complaints.append(text)

    def open_page(
        path: str, *, before: Callable[[Page], None] | None = None, ignore: str = "", **options: object
    ) -> Page:
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complain(f"{path}: {message.type}: {message.text}", ignore))
        page.on("pageerror", lambda error: complaints.append(f"{path}: {error}"))
        # What a click leaves unloaded, and a stream of events that is closed, are no failures.
        page.on(
            "requestfailed", lambda request: complain(f"{path}: {request.failure}: {request.url}", "net::ERR_ABORTED")
        )
        page.on("request", lambda request: _is_local(request.url, site) or complaints.append(f"left: {request.url}"))
        if before is not None:
            before(page)
        page.goto(site.url + path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def _is_local(url: str, site: Site) -> bool:
    return url.startswith(f"{site.url}/")
