"""A whole competition through its pages, against a real `lethe up`: what newcomers, teams and hosts do and see.

One small competition for all; the tests follow its life and stand in its order.
"""

import re
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from lethe.server.database.engine import Database
from lethe.server.models import Submission
from lethe.server.settings import Settings
from tests.browser.axe import assert_accessible
from tests.conftest import free_port, require_component
from tests.system.conftest import Installation, _environment, prepared_home, running, share_self_test

pytestmark = [pytest.mark.component("chromium", "bubblewrap"), pytest.mark.timeout(900)]

OpenPage = Callable[..., Page]
LogIn = Callable[..., dict[str, Any]]

SLUG = "story"
SPECIFICATION = f"""
slug = "{SLUG}"
title = "Forget these faces"
summary = "Make a small age classifier forget a few people, as if it had never seen them."
description = "A network has learnt to tell the age group of a face. Some people want to be forgotten."
[data]
source = "synthetic-faces"
seed = 0
identities = 40
images_per_identity = 8
classes = 4
[split]
seed = 0
[practice]
oracles = 0
[training]
epochs = 5
[evaluation]
runs = 8
oracles = 8
ceiling_oracles = 8
check_runs = 1
chunk_runs = 8
[audits]
runs = 0
[metric]
rule = "competition"
[limits]
run_wall_s = 30
run_cpu_s = 40
output_bytes = 4194304
log_bytes = 16384
[quotas]
submissions_per_day = 20
in_flight = 0
attempts_per_day = 0
[measures]
always = false
"""
ARTIFACTS = Path(__file__).parents[2] / "var" / "screenshots"
EVIL = '"><img src=x onerror=window.owned=1><script>window.owned=1</script>'
FINETUNE = '''\
import re
import time

import torch


def unlearning(net, retain, forget, validation):
    """Named {evil}."""
    time.sleep(0.2)
    print("</code></pre>{evil}")
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-2)
    for inputs, targets in retain:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(inputs), targets).backward()
        optimizer.step()
    return net
'''.replace("{evil}", EVIL.replace('"', "'"))
BROKEN = """\
def unlearning(net, retain, forget, validation):
    for images, labels in retain:
        nett(images)
    return net
"""


@pytest.fixture(scope="module")
def site(kept_image: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """The competition, open and served; in the place of the invented site that the other tests look at."""
    require_component("bubblewrap")
    home = tmp_path_factory.mktemp("story")
    # The system tests' competition has the same data and recipe, and with them the same bank.
    prepared = prepared_home(tmp_path_factory.getbasetemp())
    shutil.copytree(prepared / "artifacts", home / "artifacts")
    share_self_test(prepared, home / "cache")
    port = free_port()
    made = Installation(home, port, _environment(home, port))
    (home / "story.toml").write_text(SPECIFICATION)
    made.lethe("admin", "competition", "create", str(home / "story.toml"))
    made.lethe("admin", "oracles", "seed", SLUG)
    made.lethe("admin", "calibrate", SLUG)
    made.lethe("admin", "competition", "open", SLUG)
    with running(made):
        for name in ("ann", "bob", "hos"):
            made.register(name).close()
        made.lethe("admin", "user", "role", "hos", "host", "-c", SLUG)
        yield made


@pytest.fixture(scope="module")
def logged_in(site: Installation) -> LogIn:
    """The browser state of somebody who has logged in."""
    return cache(lambda name, password="correct horse": _log_in(site, name, password))


def cookies_of(state: dict[str, Any]) -> dict[str, str]:
    """The cookies of a browser's state, for a client without a browser."""
    return {cookie["name"]: cookie["value"] for cookie in state["cookies"]}


def _log_in(site: Installation, user: str, password: str) -> dict[str, Any]:
    with httpx.Client(base_url=site.url, timeout=30) as client:
        answer = client.post("/login", data={"username": user, "password": password})
        assert answer.status_code == 303, answer.text
        ((name, value),) = client.cookies.items()
    attributes = {"path": "/", "expires": -1, "httpOnly": True, "secure": False, "sameSite": "Lax"}
    return {"cookies": [{"name": name, "value": value, "domain": "127.0.0.1"} | attributes], "origins": []}


def address_of(site: Installation, filename: str) -> str:
    """Where the submission of that file is shown."""
    database = Database(Settings(home=site.home).database)
    with database.read() as session:
        query = select(Submission.id).where(Submission.filename == filename, Submission.origin_id.is_(None))
        found = session.scalars(query).one()
    database.dispose()
    return f"/submissions/{found}"


def test_a_newcomer_registers_uploads_and_is_scored_while_others_watch(open_page: OpenPage, site: Installation) -> None:
    board = open_page(f"/competitions/{SLUG}/leaderboard")
    expect(board.get_by_role("heading", name="No team has a score yet")).to_be_visible()
    board.evaluate("window.stayed = true")

    page = open_page("/register")
    page.get_by_label("User name").fill("newcomer")
    page.get_by_label("E-mail").fill("newcomer@example.org")
    page.get_by_label("Password").fill("a long password")
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_role("status")).to_have_text("Welcome. Your account is ready.")

    page.goto(f"{site.url}/competitions/{SLUG}/submit")
    chooser = {"name": "finetune.py", "mimeType": "text/x-python", "buffer": FINETUNE.encode()}
    page.locator("input[type=file]").set_input_files([chooser])
    expect(page.get_by_text("The file is ready to submit.")).to_be_visible()
    page.get_by_role("button", name="Submit").click()

    page.wait_for_url("**/submissions/*")
    page.evaluate("window.stayed = true")
    expect(page.locator("#state")).to_have_text("Running", timeout=240_000)
    expect(page.get_by_label("Runs finished")).to_be_visible()
    page.screenshot(path=_shot("submission-running"), full_page=True)
    expect(page.locator("#state")).to_have_text("Scored", timeout=240_000)
    expect(page.get_by_role("heading", name="Receipt")).to_be_visible()
    assert page.evaluate("window.stayed")

    expect(board.get_by_role("rowheader", name="newcomer")).to_be_visible(timeout=60_000)
    assert board.evaluate("window.stayed")
    page.goto(f"{site.url}/competitions/{SLUG}/leaderboard")
    expect(page.locator("tbody.mine .team > bdi")).to_have_text("newcomer")


def test_a_failing_file_is_explained_with_its_line(open_page: OpenPage, logged_in: LogIn) -> None:
    refused = "status of 422"  # the answer to a file that cannot be submitted
    page = open_page(f"/competitions/{SLUG}/submit", storage_state=logged_in("ann"), ignore=refused)
    page.get_by_label("Or paste the source").fill("def unlearning(net:\n")
    page.get_by_role("button", name="Check only").click()
    expect(page.locator(".verdict.fault")).to_contain_text("Line 1")
    page.get_by_label("Or paste the source").fill(BROKEN)
    page.get_by_role("button", name="Submit").click()
    expect(page.locator("#state")).to_have_text("Ended without a score", timeout=240_000)
    expect(page.get_by_text("It costs no quota.")).to_be_visible()
    page.get_by_role("link", name='File "submission.py", line 3').click()
    expect(page.locator(".source .line.marked")).to_have_text("        nett(images)\n")
    expect(page.locator(".source .line:target")).to_have_count(1)
    page.get_by_role("link", name="exception").click()
    expect(page.locator("div:target")).to_contain_text("raised an exception")


def test_everything_works_without_script(open_page: OpenPage, site: Installation) -> None:
    page = open_page("/login?next=/account", java_script_enabled=False)
    page.get_by_label("User name").fill("bob")
    page.get_by_label("Password").fill("correct horse")
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("button", name="Create token").click()
    expect(page.get_by_role("heading", name="Your new token")).to_be_visible()
    page.goto(f"{site.url}/competitions/{SLUG}/team")
    page.get_by_label("Team name").fill(EVIL[:40])
    page.get_by_role("button", name="Create team").click()
    page.get_by_role("button", name="Create invitation").click()
    expect(page.get_by_role("region", name="Link for one person to join")).to_contain_text("/join?code=")
    page.goto(f"{site.url}/competitions/{SLUG}/submit")
    page.get_by_label("Or paste the source").fill(FINETUNE.replace("1e-2", "1e-3"))
    page.get_by_role("button", name="Submit").click()
    expect(page.locator("#state")).to_be_visible()
    page.wait_for_url("**/submissions/*")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("heading", name="Cancelled")).to_be_visible()


def test_a_host_leads_the_competition_to_its_reveal(open_page: OpenPage, site: Installation, logged_in: LogIn) -> None:
    page = open_page(f"/host/{SLUG}", storage_state=logged_in("hos"))
    page.get_by_label("Title").fill(EVIL[:100])
    page.get_by_label("Text", exact=True).fill(EVIL)
    page.get_by_role("button", name="Publish").click()
    expect(page.get_by_role("status").first).to_have_text("Done.")
    page.get_by_label("State").select_option("cancelled")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#submissions + form + table tbody tr")).to_have_count(1)
    page.goto(site.url + address_of(site, "finetune.py"))
    if page.get_by_text("The plots are being drawn.").count():
        page.wait_for_timeout(20_000)
        page.reload()
    expect(page.get_by_role("img", name="Histogram of epsilon")).to_be_visible()
    page.get_by_role("button", name="Compute all measures").click()
    expect(page.get_by_role("status").first).to_have_text("All measures will be computed, after every waiting score.")
    attack = page.get_by_role("row", name="Likelihood ratio attack, accuracy")
    for _ in range(120):
        if not page.get_by_text("The measures are being computed").count():
            break
        page.wait_for_timeout(1_000)
        page.reload()
    page.get_by_text("Can the runs be told from oracles?").first.click()
    expect(attack.locator("[data-as=Oracles]")).to_have_text(re.compile(r"0\.\d+"))
    page.get_by_role("heading", name="Receipt").scroll_into_view_if_needed()
    page.wait_for_load_state("networkidle")
    page.goto(f"{site.url}/host/{SLUG}")
    page.get_by_role("button", name="Close…").click()
    expect(page.get_by_role("dialog")).to_contain_text("no team can change its selections")
    page.get_by_role("button", name="Close it now").click()
    expect(page.get_by_text("lethe admin competition finals")).to_be_visible()
    site.lethe("admin", "competition", "finals", SLUG, "--yes", check=False)
    page.goto(f"{site.url}/host/{SLUG}?state=scored")
    for _ in range(240):
        if page.locator("tr", has_text="final evaluation").count():
            break
        page.wait_for_timeout(1_000)
        page.reload()
    page.get_by_role("button", name="Reveal…").click()
    page.get_by_label("I understand this cannot be undone").check()
    page.get_by_role("button", name="Reveal it now").click()
    expect(page.get_by_role("status").first).to_have_text("Done.")

    board = open_page(f"/competitions/{SLUG}/leaderboard")
    expect(board.get_by_role("link", name="Final")).to_have_attribute("aria-current", "page")
    expect(board.locator("tbody tr:not(.reference) .move")).to_contain_text("against the public board")
    own = open_page(address_of(site, "finetune.py"), storage_state=logged_in("newcomer", "a long password"))
    expect(own.get_by_role("heading", name="How the final score was computed")).to_be_visible()


PAGES = {
    "home": ("/", ""),
    "overview": (f"/competitions/{SLUG}", ""),
    "leaderboard": (f"/competitions/{SLUG}/leaderboard", "ann"),
    "analysis": (f"/competitions/{SLUG}/analysis", ""),
    "errors": ("/errors", ""),
    "login": ("/login", ""),
    "register": ("/register", ""),
    "not-found": ("/competitions/nowhere", ""),
    "account": ("/account", "bob"),
    "submit": (f"/competitions/{SLUG}/submit", "ann"),
    "team": (f"/competitions/{SLUG}/team", "bob"),
    "join": ("/join?code=x", "ann"),
    "host": (f"/host/{SLUG}", "hos"),
    "hosted": ("/host", "hos"),
    "details": (f"/host/{SLUG}/details", "hos"),
    "edit": (f"/host/{SLUG}/edit", "hos"),
    "delete": (f"/host/{SLUG}/delete", "hos"),
    "scored": ("finetune.py", "hos"),
    "search": (f"/competitions/{SLUG}/leaderboard?q=%22%3E%3Cimg+src=x+onerror=window.owned=1%3E", ""),
}


@pytest.mark.parametrize("name", PAGES)
def test_pages_are_accessible_safe_and_fit_a_phone(
    open_page: OpenPage, site: Installation, logged_in: LogIn, name: str
) -> None:
    path, who = PAGES[name]
    path = path if path.startswith("/") else address_of(site, path)
    page = open_page(
        path,
        storage_state=logged_in(who) if who else None,
        viewport={"width": 1280, "height": 900},
        ignore=f"{path}: error: Failed to load resource" if name == "not-found" else "",
    )
    page.evaluate("for (const image of document.images) image.loading = 'eager'")
    page.wait_for_load_state("networkidle")
    for scheme in ("light", "dark"):
        assert_accessible(page, scheme)
        page.screenshot(path=_shot(f"{name}-{scheme}"), full_page=True)
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.screenshot(path=_shot(f"{name}-phone"), full_page=True)
    assert page.evaluate("window.owned") is None
    assert page.locator("h1").count() == 1


def test_no_page_gives_another_site_a_way_in(site: Installation, logged_in: LogIn) -> None:
    for path, who in PAGES.values():
        cookies = cookies_of(logged_in(who)) if who else {}
        address = path if path.startswith("/") else address_of(site, path)
        answer = httpx.get(site.url + address, cookies=cookies, headers={"Accept": "text/html"})
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["referrer-policy"] == "no-referrer"
        for form in answer.text.split("<form ")[1:]:
            head, _, rest = form.partition(">")
            if 'method="post"' in head and who:
                assert 'name="csrf_token"' in rest.partition("</form>")[0], address
    with httpx.Client(base_url=site.url, cookies=cookies_of(logged_in("ann"))) as client:
        for path in ("/logout", "/account/tokens", f"/competitions/{SLUG}/team", f"/competitions/{SLUG}/submit"):
            assert client.post(path, files={"file": ("a.py", b"x")}).status_code == 403, path
            foreign = {"Origin": "https://elsewhere.example", "Sec-Fetch-Site": "cross-site"}
            assert client.post(path, headers=foreign, files={"file": ("a.py", b"x")}).status_code == 403, path
        answer = client.post("/login", data={"username": "ann", "password": "correct horse"})
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie


def _shot(name: str) -> Path:
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    return ARTIFACTS / f"{name}.png"
