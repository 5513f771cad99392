"""A team's list of submissions and two of them side by side: accessible, on a phone, in both themes, without script."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from lethe.evaluator.contract.states import Evaluation, SubmissionState
from lethe.server.leaderboard import standings
from lethe.server.models import Competition, Submission
from tests.browser.axe import assert_accessible
from tests.browser.conftest import START
from tests.scores import make_score

pytestmark = pytest.mark.component("chromium")

OpenPage = Callable[..., Page]

ARTIFACTS = Path(__file__).parents[2] / "var" / "screenshots"
TEAM = "the rivers of forgetting"
PAGE = "/competitions/faces/submissions"
SCORES = (0.031, 0.0871, 0.0645, 0.0902, 0.1312, 0.1298)
LONG_NAME = "contrastive_" * 9 + "v2.py"


@pytest.fixture(scope="module")
def member(site: Any) -> dict[str, Any]:
    """The browser state of somebody whose team has scores, a submission that waits, and one that failed."""
    state: dict[str, Any] = site.add_person("rivka")
    site.add_team("faces", TEAM, "rivka")
    source = "import torch\n" + "".join(f"x{number} = {number}\n" for number in range(30))
    for number, score in enumerate(SCORES):
        changed = f"{source}rate = {score}\n\ndef unlearning(net, retain, forget, validation):\n    return net\n"
        stored = site.context.artifacts.put(f"own-{number}.py", changed.encode())
        path = site.add_submission("faces", TEAM, SubmissionState.SCORED, source_key=stored.key)
        _add_score(site, path, score, number)
    site.add_submission("faces", TEAM, SubmissionState.QUEUED, finished_at=None, filename=LONG_NAME)
    site.add_submission("faces", TEAM, SubmissionState.FAILED, owner="participant", fault_code="exception")
    return state


def _add_score(site: Any, path: str, score: float, number: int) -> None:
    with site.context.database.write() as session:
        submission = session.get_one(Submission, UUID(path.rpartition("/")[2]))
        submission.filename = f"variant_{number}.py"
        submission.created_at = START - timedelta(hours=60 - 9 * number)
        submission.finished_at = submission.created_at + timedelta(minutes=7 * number)
        spread = 0.002 * np.random.default_rng(number).standard_normal(16)
        session.add(
            make_score(
                submission.competition_id,
                score,
                submission=submission,
                interval_low=score - 0.012,
                interval_high=score + 0.012,
                replicates=(score + spread).tolist(),
            )
        )
        session.flush()
        competition = session.get_one(Competition, submission.competition_id)
        standings.refresh(session, competition, Evaluation.PUBLIC, submission.team_id)


def _looked_at(page: Page, name: str) -> None:
    """The page is accessible in both themes, fits a phone, and is photographed."""
    for scheme in ("light", "dark"):
        assert_accessible(page, scheme)
        page.screenshot(path=ARTIFACTS / f"{name}-{scheme}.png", full_page=True)
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert_accessible(page, "dark")
    page.screenshot(path=ARTIFACTS / f"{name}-phone.png", full_page=True)


def test_the_list_selects_and_says_when_all_selections_are_used(open_page: OpenPage, member: dict[str, Any]) -> None:
    page = open_page(PAGE, storage_state=member, java_script_enabled=True)
    expect(page.get_by_role("img", name="All 6 scores in the order of the uploads")).to_be_visible()
    for number in (4, 3):
        page.get_by_role("button", name=f"Select variant_{number}.py").click()
        expect(page.get_by_role("status")).to_have_text("Selected for the final evaluation.")
    expect(page.get_by_text("2 of 2 selected")).to_be_visible()
    page.get_by_role("button", name="Select variant_1.py").click()
    expect(page.get_by_role("alert")).to_contain_text("all 2 selections are used")
    _looked_at(page, "own-submissions")
    page.get_by_role("alert").get_by_role("button", name="Unselect variant_3.py").click()
    expect(page.get_by_text("1 of 2 selected")).to_be_visible()


def test_two_are_compared_without_script(open_page: OpenPage, member: dict[str, Any]) -> None:
    page = open_page(PAGE, storage_state=member, java_script_enabled=False)
    page.get_by_role("link", name="Compare two submissions").click()
    first = page.get_by_role("combobox", name="First")
    expect(first.locator("option")).to_have_count(len(SCORES))
    first.select_option(index=len(SCORES) - 1)
    page.get_by_role("button", name="Compare").click()
    expect(page.locator(".outcome")).to_contain_text("The second is significantly better than the first.")
    expect(page.locator(".diff .differs .old").first).to_contain_text("rate = 0.031")
    expect(page.locator(".fold summary").first).to_contain_text("equal lines")


def test_what_differs_is_accessible_and_fits_a_phone(open_page: OpenPage, member: dict[str, Any]) -> None:
    page = open_page(PAGE, storage_state=member)
    page.get_by_role("link", name="Compare with that one").first.click()
    expect(page.locator(".diff .differs").first).to_be_visible()
    _looked_at(page, "own-compared")


def test_a_submission_says_if_it_helped(open_page: OpenPage, member: dict[str, Any]) -> None:
    page = open_page(PAGE, storage_state=member)
    page.get_by_role("link", name="variant_5.py").click()
    helped = page.get_by_role("region", name="Did it help?")
    expect(helped).to_contain_text("Your best is variant_4.py, 0.1310, rank")
    expect(helped).to_contain_text("may be chance")
    _looked_at(page, "own-helped")
