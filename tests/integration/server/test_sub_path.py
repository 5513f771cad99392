"""A whole site below `/lethe` of its host: a walk over every link and form, the client, the command line, a worker."""

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from lethe.evaluator.contract.states import Stage
from lethe.evaluator.contract.work import Capabilities
from lethe.evaluator.worker.server_client import WorkClient
from lethe.server.cli import app
from lethe.server.client import Client
from lethe.server.models import User
from tests.integration.server.conftest import CAPABILITIES, GOOD, SLUG, Site

ROOT = "/lethe"
ADDRESS = re.compile(r"""<(\w+)[^>]*?\s(href|src|action|data-events)=["']([^"']*)""")
HTML = {"Accept": "text/html,*/*;q=0.8"}


@pytest.fixture
def root_path() -> str:
    return ROOT


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'lethe.db'}"


@pytest.fixture
def browser(site: Site) -> Iterator[httpx.Client]:
    """Somebody with a team and a submission who also operates the site, logged in by the form."""
    site.register("ann").close()
    with site.context.database.write() as session:
        session.scalars(select(User)).one().is_operator = True
    with httpx.Client(headers=HTML, timeout=60) as client:
        sent = client.post(f"{site.url}/login", data={"username": "ann", "password": "correct horse"})
        assert (sent.status_code, sent.headers["location"]) == (303, f"{ROOT}/account")
        (cookie,) = client.cookies.jar
        assert (cookie.path, cookie.name) == (ROOT, f"lethe_session_{urlsplit(site.url).port}_lethe")
        yield client


def proof(page: httpx.Response) -> dict[str, str]:
    found = re.search(r'name="csrf_token" value="(\w+)"', page.text)
    assert found is not None
    return {"csrf_token": found[1]}


def walk(site: Site, client: httpx.Client) -> tuple[set[str], set[str], set[str]]:
    """The addresses of all pages and files that links lead to, of all forms and of all event streams."""
    waiting, seen, forms, streams = [f"{ROOT}/"], {f"{ROOT}/"}, set(), set()
    host = site.url.removesuffix(ROOT)
    while waiting:
        address = waiting.pop()
        answer = client.get(host + address, follow_redirects=True)  # such as to the login
        assert answer.status_code == 200, f"{address}: {answer.status_code}"
        assert answer.url.path.startswith(f"{ROOT}/"), f"{address} leads to {answer.url}"
        if not answer.headers["content-type"].startswith("text/html") or address.startswith(f"{ROOT}/docs"):
            continue
        for tag, attribute, found in ADDRESS.findall(answer.text):
            there = unescape(found).partition("#")[0]
            if not there:
                continue
            assert there == ROOT or there.startswith(f"{ROOT}/"), f"{address} leaves the site: {found}"
            if tag == "form":
                forms.add(there)
            elif attribute == "data-events":
                streams.add(there)
            elif there not in seen:
                seen.add(there)
                waiting.append(there)
    return seen, forms, streams


def test_no_link_form_or_file_leaves_the_sub_path(site: Site, browser: httpx.Client) -> None:
    form = browser.get(f"{site.url}/competitions/{SLUG}/submit")
    sent = browser.post(f"{site.url}/competitions/{SLUG}/submit", data=proof(form), files={"file": ("mine.py", GOOD)})
    assert sent.status_code == 303
    submission = sent.headers["location"]
    assert submission.startswith(f"{ROOT}/submissions/")
    with httpx.Client(headers=HTML, timeout=60) as stranger:
        strangers, *_ = walk(site, stranger)
    assert {f"{ROOT}/login", f"{ROOT}/register", f"{ROOT}/competitions/{SLUG}/leaderboard"} <= strangers
    waiting, forms, streams = walk(site, browser)
    assert submission in waiting
    assert streams == {f"{ROOT}/api/v1{submission.removeprefix(ROOT)}/events"}
    with browser.stream("GET", site.url.removesuffix(ROOT) + next(iter(streams))) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
    site.evaluate()
    seen, more, _ = walk(site, browser)
    assert {f"{ROOT}/host/{SLUG}", f"{ROOT}/account", f"{ROOT}/docs", f"{ROOT}/competitions/{SLUG}/team"} <= seen
    assert any(one.startswith(f"{ROOT}/static/site.css?v=") for one in seen)
    host = site.url.removesuffix(ROOT)
    for action in forms | more:
        refused = browser.post(host + action).status_code  # the form is there, and wants a proof
        assert 400 <= refused < 500, action
        assert refused != 404, action
    address = browser.get(f"{site.url}/competitions/{SLUG}").text
    assert f"export LETHE_SERVER={site.url}\n" in unescape(address)
    out = browser.post(f"{site.url}/logout", data=proof(form))
    assert (out.headers["location"], len(browser.cookies)) == (f"{ROOT}/", 0)


def test_client_command_line_and_worker_take_an_address_with_a_path(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    with Client(f"{site.url}/") as stranger:
        token = stranger.register("bob", "bob@example.org", "correct horse").token
        assert stranger.server_version()
    monkeypatch.setenv("LETHE_SERVER", site.url)
    monkeypatch.setenv("LETHE_TOKEN", token)
    listed = CliRunner().invoke(app, ["competitions"])
    assert (listed.exit_code, SLUG in listed.output) == (0, True), listed.output
    (tmp_path / "mine.py").write_bytes(GOOD)
    sent = CliRunner().invoke(app, ["submit", str(tmp_path / "mine.py"), "-c", SLUG])
    assert sent.exit_code == 0, sent.output
    worker = WorkClient(site.url, site.worker_key, "w9")
    worker.register(Capabilities.model_validate(CAPABILITIES))
    job = worker.claim()
    worker.close()
    assert job is not None
    assert job.stage is Stage.CHECK
