"""A site below a path of its host: what comes in loses the path, and what names an address of the site has it."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.responses import RedirectResponse
from pydantic import ValidationError

from lethe.server.app import create_app
from lethe.server.models import Base
from lethe.server.settings import Settings


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    app = below(tmp_path_factory.mktemp("site"))

    @app.get("/away")
    def away(to: str) -> RedirectResponse:
        return RedirectResponse(to)

    return app


@pytest.fixture(scope="module")
def at_the_root(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    return below(tmp_path_factory.mktemp("root"), "")


def below(tmp_path: Path, root: str = "/lethe", **settings: Any) -> FastAPI:
    app = create_app(Settings(home=tmp_path / "home", root_path=root, **settings))
    Base.metadata.create_all(app.state.context.database.engine)
    return app


def ask(app: FastAPI, path: str, method: str = "GET", **more: Any) -> httpx.Response:
    async def send() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://lethe.test") as client:
            return await client.request(method, path, **more)

    return asyncio.run(send())


@pytest.mark.parametrize("path", ["/lethe", "/lethe/", "/lethe/healthz", "/lethe/static/site.css", "/healthz"])
def test_paths_with_and_without_the_sub_path_are_answered(site: FastAPI, path: str) -> None:
    assert ask(site, path).status_code == 200


@pytest.mark.parametrize("path", ["/lethean/healthz", "/lethe/lethe/healthz", "/lethehealthz"])
def test_it_is_taken_off_once_and_whole(site: FastAPI, path: str) -> None:
    assert ask(site, path).status_code == 404


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/lethe/competitions", "/lethe/"),
        ("/lethe/account", "/lethe/login?next=/account"),
        ("/lethe/login/", "http://lethe.test/lethe/login"),
        ("/competitions", "/lethe/"),
    ],
)
def test_redirects_stay_below_it(site: FastAPI, path: str, location: str) -> None:
    assert ask(site, path).headers["location"] == location


def test_redirects_to_elsewhere_are_left_alone(site: FastAPI) -> None:
    for there in ("https://elsewhere.example/x", "//elsewhere.example/x", "http://lethe.test.example/x"):
        assert ask(site, "/lethe/away", params={"to": there}).headers["location"] == there


def test_limits_and_gates_see_the_paths_of_the_site(site: FastAPI, tmp_path: Path) -> None:
    app = below(tmp_path, rate_per_address="1/minute")
    assert ask(app, "/lethe/internal/v1/work/claim", "POST", json={}).status_code == 401
    assert ask(app, "/lethe/api/v1/competitions").status_code == 200
    assert ask(app, "/lethe/api/v1/competitions").status_code == 429
    too_large = ask(site, "/lethe/api/v1/users", "POST", content=b" " * 2**17)
    assert too_large.json()["code"] == "body_too_large"


def test_errors_name_addresses_that_work(site: FastAPI) -> None:
    page = ask(site, "/lethe/nowhere", headers={"Accept": "text/html"})
    assert "<code>/lethe/nowhere</code>" in page.text
    assert "/lethe/docs" in ask(site, "/lethe/api/v1/nowhere").json()["detail"]


def test_openapi_and_its_page_are_below_it(site: FastAPI, at_the_root: FastAPI) -> None:
    assert ask(site, "/lethe/openapi.json").json()["servers"] == [{"url": "/lethe"}]
    assert "'/lethe/openapi.json'" in ask(site, "/lethe/docs").text.replace('"', "'")
    assert "servers" not in ask(at_the_root, "/openapi.json").json()


def test_a_page_is_another_page_below_another_path(site: FastAPI, at_the_root: FastAPI) -> None:
    tag = ask(at_the_root, "/").headers["etag"]
    assert ask(site, "/lethe/", headers={"If-None-Match": tag}).status_code == 200


@pytest.mark.parametrize("root", ["lethe", "//lethe", "/a b", "https://h/lethe", "/lethe?x", "/a/../b", "/"])
def test_what_is_no_path_is_refused(tmp_path: Path, root: str) -> None:
    if root == "/":
        assert Settings(home=tmp_path, root_path=root).root_path == ""
        return
    with pytest.raises(ValidationError, match="root_path"):
        Settings(home=tmp_path, root_path=root)
