"""The whole application on SQLite with one small competition, asked in process."""

import asyncio
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from PIL import Image
from sqlalchemy import select

from lethe.evaluator.contract.prepared_competition import ArtifactRef, Counts, PreparedCompetition
from lethe.evaluator.contract.specification import CompetitionSpec
from lethe.server.app import create_app
from lethe.server.competitions import service as competitions
from lethe.server.context import Context
from lethe.server.models import Base, Competition, CompetitionHost, Standing, Submission, Team, User
from lethe.server.models.times import utc_now
from lethe.server.settings import Settings
from tests.prepared_competitions import make_prepared_competition
from tests.scores import make_score


def _png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (30, 20), "red").save(buffer, "PNG")
    return buffer.getvalue()


PNG = _png()
NAME = "<b>&amp;\"'"

PASSWORD = "correct horse battery"
HERE = "http://lethe.test"

Ask = Callable[..., httpx.Response]


class Browser:
    """Keeps cookies, follows redirects, and posts forms with the token of the page that it saw last."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._cookies = httpx.Cookies()
        self._token = ""

    def get(self, path: str) -> httpx.Response:
        return self._send("GET", path)

    def post(self, path: str, files: Any = None, **fields: str) -> httpx.Response:
        fields = {"csrf_token": self._token} | fields
        return self._send("POST", path, data=fields, files=files, headers={"Origin": HERE})

    def register(self, name: str) -> httpx.Response:
        return self.post("/register", username=name, email=f"{name}@example.org", password=PASSWORD)

    def _send(self, method: str, path: str, **more: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(
                transport=transport, base_url=HERE, cookies=self._cookies, follow_redirects=True
            ) as client:
                answer = await client.request(method, path, **more)
                self._cookies = client.cookies
                return answer

        answer = asyncio.run(send())
        found = re.search(r'name="csrf_token" value="(\w+)"', answer.text)
        self._token = found.group(1) if found else self._token
        return answer


Open = Callable[[], Browser]


@pytest.fixture
def app(tmp_path: Path) -> FastAPI:
    """The application with an empty database."""
    app = create_app(Settings(home=tmp_path / "home"))
    Base.metadata.create_all(app.state.context.database.engine)
    return app


@pytest.fixture
def ask(app: FastAPI) -> Ask:
    """`ask(path, **headers)`: the answer to a GET, or to another `method`."""

    def ask(path: str, *, method: str = "GET", **headers: str) -> httpx.Response:
        async def send() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://lethe.test") as client:
                named = {name.replace("_", "-"): value for name, value in headers.items()}
                return await client.request(method, path, headers=named)

        return asyncio.run(send())

    return ask


@pytest.fixture
def competition(app: FastAPI) -> Context:
    """An open competition `c` whose only team, with a hostile name, has one score. Its numbers are easy to find."""
    context: Context = app.state.context
    sheet = context.artifacts.put("sheet.png", PNG)
    with context.database.write() as session:
        found = competitions.create(session, specification(), prepared_competition(sheet))
        found.opened_at = utc_now()
        user = User(username="ann", username_key="ann", email="a@b.c", email_key="a@b.c", password_hash="")
        team = Team(competition_id=found.id, name=NAME, name_key=NAME)
        session.add_all([user, team])
        session.flush()
        places: dict[str, Any] = {"competition_id": found.id, "team_id": team.id}
        submission = Submission(
            **places,
            user_id=user.id,
            filename="f.py",
            source_key="s",
            source_sha256="0",
            state="scored",
            runs_total=32,
            deadline_at=utc_now(),
            finished_at=utc_now(),
        )
        session.add(submission)
        session.flush()
        score = make_score(
            found.id,
            0.12345678,
            submission=submission,
            interval_low=0.1,
            interval_high=0.15,
            forgetting_quality=0.98765,
            retain_ratio=0.87654,
            test_ratio=0.76543,
        )
        session.add(score)
        session.flush()
        session.add(
            Standing(
                **places,
                score_id=score.id,
                rank=1,
                position=1,
                entries=1,
                last_scored_at=utc_now(),
                updated_at=utc_now(),
            )
        )
    return context


def specification() -> CompetitionSpec:
    return CompetitionSpec(slug="c", title=f"Title {NAME}", summary=f"Summary {NAME}", description=f"One.\n\n{NAME}")


def prepared_competition(sheet: ArtifactRef) -> PreparedCompetition:
    """Hidden counts and figures are numbers that occur nowhere else."""
    counts = dict.fromkeys(Counts.model_fields, 31337) | {"retain": 468, "forget": 72, "validation": 60, "classes": 10}
    return make_prepared_competition(
        sheet, figure=0.31337, environment={"torch": "2.15.0"}, bank_digest="bankdigest", counts=Counts(**counts)
    )


@pytest.fixture
def browser(app: FastAPI, competition: Context) -> Open:
    return lambda: Browser(app)


@pytest.fixture
def ann(browser: Open) -> Browser:
    """A browser in which bea has just registered; ann of the other fixtures owns the submission."""
    found = browser()
    found.register("bea")
    return found


@pytest.fixture
def host(ann: Browser, app: FastAPI) -> Browser:
    """bea hosts the competition."""
    context: Context = app.state.context
    with context.database.write() as session:
        user = session.scalars(select(User).where(User.username == "bea")).one()
        competition = session.scalars(select(Competition)).one()
        session.add(CompetitionHost(competition_id=competition.id, user_id=user.id))
    return ann
