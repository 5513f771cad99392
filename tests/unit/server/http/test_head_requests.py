"""HEAD of every route that answers GET: its status and headers, without its body."""

import asyncio
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

from lethe.server.app import create_app
from lethe.server.http.head_requests import HeadRequests
from lethe.server.models import Base
from lethe.server.settings import Settings


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    app = create_app(Settings(home=tmp_path_factory.mktemp("home")))
    Base.metadata.create_all(app.state.context.database.engine)
    return app


def answers(app: FastAPI, path: str) -> tuple[httpx.Response, httpx.Response]:
    """The answers to GET and to HEAD."""

    async def send() -> tuple[httpx.Response, httpx.Response]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://lethe.test") as client:
            return await client.get(path), await client.head(path)

    return asyncio.run(send())


@pytest.mark.parametrize(
    ("path", "status"),
    [
        *[(path, 200) for path in ("/healthz", "/metrics", "/openapi.json", "/docs", "/", "/login")],
        *[(path, 200) for path in ("/api/v1/competitions", "/static/site.css")],
        ("/readyz", 503),  # nobody has migrated this database
        ("/competitions", 308),
        ("/api/v1/users/me", 401),
        ("/api/v1/competitions/none", 404),
        ("/competitions/none/leaderboard", 404),
        ("/logout", 405),
    ],
)
def test_head_answers_as_get_without_a_body(app: FastAPI, path: str, status: int) -> None:
    get, head = answers(app, path)
    assert (get.status_code, head.status_code) == (status, status)
    assert head.content == b""
    varying = {"x-request-id", "content-length"} if path == "/metrics" else {"x-request-id"}
    for name in get.headers.keys() - varying:
        assert head.headers[name] == get.headers[name], name


def test_the_log_and_the_measurements_name_method_and_route(app: FastAPI) -> None:
    answers(app, "/api/v1/competitions/none/announcements")
    metrics = answers(app, "/metrics")[0].text
    for method in ("GET", "HEAD"):
        labels = f'method="{method}",route="/api/v1/competitions/{{slug}}/announcements",status="4xx"'
        assert f"lethe_request_seconds_count{{{labels}}} 1.0" in metrics


def test_head_of_a_stream_ends() -> None:
    """As in uvicorn: once the answer is complete, the next message of the request says that the client is gone."""
    app = FastAPI()
    sent: list[dict[str, Any]] = []

    async def endless() -> Any:
        while True:
            yield b"data: x\n\n"
            await asyncio.sleep(0.001)

    @app.get("/events")
    def events() -> StreamingResponse:
        return StreamingResponse(endless(), media_type="text/event-stream")

    async def receive() -> dict[str, Any]:
        while not any(message["type"] == "http.response.body" for message in sent):
            await asyncio.sleep(0.001)
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "HEAD", "path": "/events",
        "query_string": b"", "headers": [], "scheme": "http", "server": ("lethe.test", 80), "client": ("127.0.0.1", 1),
    }  # fmt: skip
    asyncio.run(asyncio.wait_for(HeadRequests(app)(scope, receive, send), timeout=60))
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert (sent[0]["status"], sent[1]["body"]) == (200, b"")
    assert scope["method"] == "HEAD"
