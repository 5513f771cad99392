"""The first visit, from a competition to its upload form through an account; and what its pages say of the calendar."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from playwright.sync_api import Page, expect

from lethe.server.competitions import service as competitions
from lethe.server.models.times import utc_now
from tests.browser.axe import assert_accessible

pytestmark = pytest.mark.component("chromium")

OpenPage = Callable[..., Page]


def _change(site: Any, slug: str, **values: Any) -> None:
    with site.context.database.write() as session:
        for name, value in values.items():
            setattr(competitions.get_competition(session, slug), name, value)


@pytest.mark.parametrize("has_script", [True, False])
def test_the_way_to_the_upload_form_goes_through_login_and_registration(open_page: OpenPage, has_script: bool) -> None:
    page = open_page("/competitions/faces", java_script_enabled=has_script)
    page.get_by_role("navigation", name="This competition").get_by_role("link", name="Submit").click()
    page.get_by_role("main").get_by_role("link", name="Register").click()
    page.get_by_label("User name").fill(f"visitor-{has_script}")
    page.get_by_label("E-mail").fill(f"{has_script}@example.org")
    page.get_by_label("Password").fill("a long password")
    page.get_by_role("button", name="Create account").click()
    page.wait_for_url("**/competitions/faces/submit?done=registered")
    expect(page.get_by_role("heading", name="Upload a file")).to_be_visible()


def test_a_comparison_survives_the_login(open_page: OpenPage) -> None:
    first, second = UUID(int=1), UUID(int=2)
    wanted = f"/competitions/faces/submissions/compare?a={first}&b={second}"
    expect(open_page(wanted).locator("input[name=next]").first).to_have_value(wanted)


def test_home_offers_both_first_steps_and_shows_who_takes_part(open_page: OpenPage, site: Any) -> None:
    page = open_page("/")
    for name in ("Register", "Download starter"):
        expect(page.locator(".buttons").get_by_role("link", name=name)).to_be_visible()
    state = site.add_person("somebody")
    site.add_team("faces", "somebody's team", "somebody")
    own = open_page("/", storage_state=state).get_by_role("region", name="Your competitions")
    expect(own).to_contain_text("Forgotten faces")
    expect(own).to_contain_text("Your team: no score yet")


def test_the_calendar_is_told_on_every_page(open_page: OpenPage, site: Any) -> None:
    now = utc_now()
    _change(site, "faces", public_ends_at=now + timedelta(days=13, hours=1))
    _change(site, "live", paused_at=now)
    _change(site, "quiet", closed_at=now - timedelta(days=2))
    page = open_page("/")
    titles = page.locator(".card h3").all_inner_texts()
    assert titles == ["Forgotten faces", "A board that moves", "Digits, quietly"]
    for path in ("/competitions/faces", "/competitions/faces/leaderboard"):
        expect(open_page(path).locator(".phase")).to_have_text("Open · 13 days left")
    for path in ("/competitions/live", "/competitions/live/leaderboard"):
        paused = open_page(path)
        expect(paused.get_by_text("The host has paused uploads. You can still check a file.")).to_be_visible()
        for scheme in ("light", "dark"):
            assert_accessible(paused, scheme)
    closed = open_page("/competitions/quiet").locator("header.competition .eyebrow")
    expect(closed).to_contain_text("Closed since")
    expect(closed).to_contain_text("UTC")


def test_after_the_reveal_the_overview_speaks_of_the_final(open_page: OpenPage, site: Any) -> None:
    now = utc_now()
    _change(site, "quiet", closed_at=now, finals_started_at=now, revealed_at=now)
    page = open_page("/competitions/quiet")
    expect(page.get_by_role("heading", name="Final results")).to_be_visible()
    expect(page.get_by_role("heading", name="How to submit")).to_have_count(0)
    expect(page.locator(".phase")).to_have_text("Final results")
