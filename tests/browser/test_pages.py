"""The pages in a real Chromium: they load without complaint, fit a phone, need no script, and move when scores do."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect
from sqlalchemy import text

from lethe.server.pages.errors import problem_page
from tests.browser.axe import assert_accessible

pytestmark = pytest.mark.component("chromium")

OpenPage = Callable[..., Page]

ARTIFACTS = Path(__file__).parents[2] / "var" / "screenshots"
BOARD = "/competitions/faces/leaderboard"
PAGES = {
    "home": "/",
    "overview": "/competitions/faces",
    "leaderboard": BOARD,
    "empty": "/competitions/quiet/leaderboard",
    "embed": "/competitions/faces/embed",
}
PHONE = {"viewport": {"width": 360, "height": 740}, "color_scheme": "light"}
DESK = {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"}


def team_names(page: Page) -> list[str]:
    """Names in the order of the visible rows, reference rows left out."""
    return page.locator("tbody tr:not(.reference):visible .team > bdi").all_inner_texts()


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("shape", [PHONE, DESK], ids=["phone", "desk"])
def test_pages_fit_and_load_without_complaint(open_page: OpenPage, name: str, shape: dict[str, Any]) -> None:
    page = open_page(PAGES[name], **shape)
    page.wait_for_load_state("networkidle")
    assert page.evaluate("document.documentElement.scrollWidth") == shape["viewport"]["width"]
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, ground.removeprefix("rgb(").rstrip(")").split(", "))) < 3 * 60) == (
        shape["color_scheme"] == "dark"
    )
    assert page.locator("h1").count() == 1
    page.screenshot(path=ARTIFACTS / f"invented-{name}-{shape['color_scheme']}.png", full_page=True)
    page.evaluate("for (const image of document.images) image.loading = 'eager'")  # also those that are folded
    page.wait_for_function("[...document.images].every(image => image.complete && image.naturalWidth > 0)")


@pytest.mark.parametrize("name", PAGES)
def test_no_width_scrolls_the_page_sideways(open_page: OpenPage, name: str) -> None:
    page = open_page(PAGES[name])
    for width in (320, 360, 414, 600, 703, 705, 768, 959, 961, 1100, 1600):
        page.set_viewport_size({"width": width, "height": 700})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_policy_stops_inline_script(site: Any, chromium: Browser) -> None:
    """Shows that the browser enforces the policy, so that silence in the other tests means something."""
    page = chromium.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(site.url)
    page.evaluate(
        "for (const text of ['window.owned = true']) {"
        " const script = document.createElement('script'); script.textContent = text; document.body.append(script); }"
    )
    page.evaluate("document.querySelector('h1').setAttribute('style', 'color: red')")
    assert page.evaluate("window.owned") is None
    assert page.evaluate("getComputedStyle(document.querySelector('h1')).color") != "rgb(255, 0, 0)"
    assert len(complaints) == 2
    page.close()


def test_hostile_text_is_text(open_page: OpenPage) -> None:
    page = open_page(BOARD)
    assert page.title() == "Leaderboard: Forgotten faces · Lethe"
    expect(page.get_by_role("rowheader", name="<script>document.title='owned'</script><")).to_be_visible()
    page = open_page("/competitions/faces")
    expect(
        page.get_by_text("Markup such as <script>document.title='owned'</script><img src=x> is only text")
    ).to_be_visible()
    assert page.title() == "Forgotten faces · Lethe"


def test_rows_are_drawn_on_one_scale(open_page: OpenPage) -> None:
    page = open_page(BOARD)
    drawn = page.locator("tbody tr").evaluate_all(
        "rows => rows.map(row => ["
        " Number(row.querySelector('.score b').textContent),"
        " row.querySelector('.dot').getBoundingClientRect().x,"
        " row.querySelector('use').getBoundingClientRect().width])"
    )
    assert len(drawn) == 16
    (high, right, _), (low, left, _) = drawn[0], drawn[-1]
    per_point = (right - left) / (high - low)
    assert per_point > 1000
    for score, x, width_of_marks in drawn:
        assert x == pytest.approx(left + per_point * (score - low), abs=0.5)
        assert width_of_marks > 0.9 * 0.25 * per_point  # the reference lines are reused by every row
    expect(page.get_by_role("img", name="0.1870, 95% interval 0.1670 to 0.2070")).to_be_visible()


def test_sorting_by_keyboard_and_mouse(open_page: OpenPage) -> None:
    page = open_page(BOARD)
    page.evaluate("window.stayed = true")
    by_score = team_names(page)
    assert by_score[:2] == ["Styx and Stones", "palimpsest"]
    page.get_by_role("link", name="Team", exact=True).last.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("columnheader", name="Team", exact=True)).to_have_attribute("aria-sort", "ascending")
    assert team_names(page)[:3] == ["<script>document.title='owned'</script><", "ascent", "Blank Slate Society"]
    assert page.evaluate("document.activeElement.id") == "sort-team"
    assert page.locator("tbody tr").last.get_attribute("class") == "reference floor"
    page.get_by_role("link", name="Entries").click()
    expect(page.get_by_role("columnheader", name="Entries")).to_have_attribute("aria-sort", "descending")
    assert team_names(page)[:2] == ["noise-then-tune", "lotus_eaters"]
    page.get_by_role("link", name="Last entry").click()
    expect(page.get_by_role("columnheader", name="Last entry")).to_have_attribute("aria-sort", "descending")
    assert team_names(page)[0] == "palimpsest"
    page.get_by_role("link", name="Score").click()
    expect(page.get_by_role("columnheader", name="Score", exact=True)).to_have_attribute("aria-sort", "descending")
    assert team_names(page) == by_score
    assert page.locator("tbody tr").first.get_attribute("class") == "reference ceiling"
    page.get_by_role("link", name="Score").click()
    expect(page.get_by_role("columnheader", name="Score", exact=True)).to_have_attribute("aria-sort", "ascending")
    assert team_names(page) == by_score[::-1]
    assert page.locator("[aria-sort]").count() == 1
    assert page.url.endswith("&sort=score")
    assert page.evaluate("window.stayed")


def test_search_finds_teams_and_says_how_many(open_page: OpenPage) -> None:
    page = open_page(BOARD)
    page.get_by_label("Find a team").fill(" ÜNLEARN ")
    expect(page.get_by_role("status")).to_have_text("1 team found")
    assert team_names(page) == ["Ünlearn Zürich"]
    expect(page.locator("tr.reference:visible")).to_have_count(2)
    page.get_by_label("Find a team").fill("person-1")
    expect(page.get_by_role("status")).to_have_text("6 teams found")  # members count, too
    page.get_by_label("Find a team").fill("no such team")
    expect(page.get_by_role("status")).to_have_text("0 teams found")
    assert team_names(page) == []
    page.get_by_label("Find a team").fill("")
    expect(page.locator("tbody tr")).to_have_count(16)


def test_complete_without_script(open_page: OpenPage) -> None:
    page = open_page(BOARD, java_script_enabled=False)
    assert len(team_names(page)) == 14
    expect(page.get_by_role("link", name="CSV")).to_be_visible()
    page.get_by_label("Find a team").fill("zürich")
    page.get_by_role("button", name="Search").click()
    assert team_names(page) == ["Ünlearn Zürich"]
    expect(page.get_by_role("status")).to_have_text("1 team found")
    page.get_by_role("link", name="Entries").click()
    assert page.url.endswith("/leaderboard?view=public&q=z%C3%BCrich&sort=-entries")
    page.get_by_role("link", name="Overview").click()
    page.get_by_text("From the command line").click()
    expect(page.get_by_role("region", name="Command that uploads a file and waits for its score")).to_have_text(
        "lethe submit submission.py -c faces --watch"
    )
    assert page.get_by_role("button").count() == 0


def test_board_moves_without_reload(open_page: OpenPage, site: Any) -> None:
    page = open_page("/competitions/live/leaderboard", before=lambda page: page.clock.install())
    page.evaluate("window.stayed = true")
    expect(page.get_by_role("heading", name="No team has a score yet")).to_be_visible()

    site.add_score("live", "river one", 0.05)
    assert _next_poll(page) == 200
    expect(page.get_by_role("rowheader", name="river one")).to_be_visible()
    expect(page.get_by_role("heading", name="No team has a score yet")).to_have_count(0)
    expect(page.get_by_role("status")).to_contain_text("Updated at")

    page.get_by_role("link", name="Score").click()  # ascending
    expect(page.get_by_role("columnheader", name="Score", exact=True)).to_have_attribute("aria-sort", "descending")
    page.get_by_label("Find a team").fill("river")
    page.clock.run_for(300)
    expect(page.get_by_role("status")).to_have_text("1 team found")
    site.add_score("live", "river two", 0.15)
    site.add_score("live", "hill", 0.3)
    assert _next_poll(page) == 200
    expect(page.get_by_role("rowheader", name="river two")).to_be_visible()
    assert team_names(page) == ["river two", "river one"]
    expect(page.locator("tr.changed:visible .team bdi").first).to_have_text("river two")
    assert page.get_by_label("Find a team").input_value() == "river"
    assert page.locator(".axis text").last.text_content() == "0.4"

    assert _next_poll(page) == 304
    assert page.evaluate("window.stayed")


def test_lost_connection_is_said_and_mended(open_page: OpenPage) -> None:
    page = open_page(BOARD, before=lambda page: page.clock.install())
    status = page.get_by_role("status")
    expect(status).to_have_text("Live")

    def unavailable(route: Route) -> None:
        route.fulfill(status=204)  # no page in it, and no complaint in the console

    page.route("**/leaderboard*", unavailable)
    page.clock.run_for(15_500)
    expect(status).to_have_text("No connection; trying again")
    assert len(team_names(page)) == 14
    page.unroute("**/leaderboard*")
    page.clock.run_for(30_500)
    expect(status).to_have_text("Live")


def test_a_page_comes_back_by_itself_when_the_database_does(
    open_page: OpenPage, site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rename(table: str, to: str) -> None:
        with site.context.database.write() as session:
            session.execute(text(f"ALTER TABLE {table} RENAME TO {to}"))

    rename("competitions", "gone")
    try:
        page = open_page("/competitions/quiet", ignore="status of 503")
        expect(page.get_by_role("heading", name="Back in a moment")).to_be_visible()
        for scheme in ("light", "dark"):
            assert_accessible(page, scheme)
            page.screenshot(path=ARTIFACTS / f"away-{scheme}.png", full_page=True)
        monkeypatch.setattr(problem_page, "AWAY_RETRY_S", 1)
        page.reload()
    finally:
        rename("gone", "competitions")
    expect(page.get_by_role("heading", name="Digits, quietly")).to_be_visible()


def test_skip_link_is_the_first_stop(open_page: OpenPage) -> None:
    page = open_page(BOARD)
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_code_is_copied(open_page: OpenPage) -> None:
    page = open_page("/competitions/faces", permissions=["clipboard-read", "clipboard-write"])
    page.get_by_text("From the command line").click()
    block = page.locator(".code", has_text="--watch")
    block.get_by_role("button", name="Copy").click()
    expect(block.get_by_role("button")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == "lethe submit submission.py -c faces --watch"


def test_print_shows_the_board_alone(open_page: OpenPage) -> None:
    page = open_page(BOARD, viewport={"width": 718, "height": 1000})  # A4 with usual margins
    page.emulate_media(media="print", color_scheme="light")
    expect(page.locator(".tools")).to_be_hidden()
    expect(page.locator("header.site nav")).to_be_hidden()
    assert len(team_names(page)) == 14
    assert page.evaluate("document.documentElement.scrollWidth") == 718
    page.screenshot(path=ARTIFACTS / "invented-print.png", full_page=True)


def test_times_are_in_the_visitors_zone_and_utc_without_script(open_page: OpenPage) -> None:
    abroad = {"timezone_id": "Asia/Tokyo", "locale": "ja-JP"}
    for has_script, shown in ((True, "20 May 2025, 17:31 GMT+9"), (False, "20 May 2025, 08:31 UTC")):
        page = open_page(BOARD, java_script_enabled=has_script, **abroad)
        time = page.locator("tr", has_text="palimpsest").locator("time")
        expect(time).to_have_text(shown)
        stamp = datetime.fromisoformat(time.get_attribute("datetime") or "")
        assert stamp == datetime(2025, 5, 20, 8, 31, tzinfo=UTC)


def test_a_row_opens_in_its_place_and_says_why_it_has_its_rank(open_page: OpenPage) -> None:
    page = open_page(BOARD)
    link = page.get_by_role("rowheader", name="noise-then-tune").get_by_role("link")
    link.click()
    opened = page.locator("tr.opened")
    expect(opened).to_contain_text("Styx and Stones, palimpsest, Tabula Rasa")
    expect(opened).to_contain_text("Mnemosyne's Regret")
    expect(link).to_have_attribute("aria-expanded", "true")
    page.get_by_label("Find a team").fill("noise")
    expect(page.locator("tbody tr:not(.opened):not(.reference)")).to_have_count(1)
    expect(opened).to_have_count(1)  # the swapped rows are open as before
    for scheme in ("light", "dark"):
        assert_accessible(page, scheme)
    link.click()
    expect(opened).to_have_count(0)


def test_the_board_without_script_opens_zooms_and_keeps_its_order(open_page: OpenPage) -> None:
    page = open_page(f"{BOARD}?sort=team", java_script_enabled=False)
    page.get_by_role("link", name="Zoom to teams").click()
    page.wait_for_url("**zoom=1*")
    page.get_by_label("Find a team").fill("a")
    page.get_by_role("button", name="Search").click()
    assert "sort=team" in page.url
    assert "zoom=1" in page.url
    names = team_names(page)
    assert names == sorted(names, key=str.casefold)
    page.get_by_role("link", name="palimpsest").click()
    expect(page.get_by_role("heading", name="palimpsest")).to_be_visible()
    expect(page.get_by_text("Not distinguishable")).to_be_visible()
    # The checker of accessibility waits for what runs with script alone.
    scripted = open_page(page.evaluate("location.pathname + location.search"))
    for scheme in ("light", "dark"):
        assert_accessible(scripted, scheme)


def test_a_phone_reaches_every_column(open_page: OpenPage) -> None:
    page = open_page(BOARD, **PHONE)
    row = page.locator("tr", has_text="palimpsest")
    for name in ("rank", "move", "score", "trend", "entries", "last"):
        expect(row.locator(f".{name}")).to_be_visible()
    expect(page.get_by_role("link", name="Last entry")).to_be_visible()


def _next_poll(page: Page) -> int:
    """Lets fifteen seconds pass on the page's clock and returns the status of the poll that follows."""
    with page.expect_response(lambda response: "/leaderboard" in response.url) as poll:
        page.clock.run_for(15_500)
    return poll.value.status
