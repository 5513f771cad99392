"""The page of a submission in the states that pass by quickly, and how a file gets onto the upload page."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from lethe.evaluator.contract.states import Owner, Stage, SubmissionState
from lethe.server.submissions.event_stream import Feed
from tests.browser.axe import assert_accessible

pytestmark = pytest.mark.component("chromium")

OpenPage = Callable[..., Page]

ARTIFACTS = Path(__file__).parents[2] / "var" / "screenshots"
TEAM = "the quick and the read"
TRACEBACK = """Traceback (most recent call last):
  File "submission.py", line 5, in unlearning
    return net
RuntimeError: the network was never there
"""
REPORT = {
    "stdout": "epoch 1\nepoch 2\n",
    "stderr": "a warning\n",
    "traceback": TRACEBACK,
    "packages": ["einops==0.8.0"],
    "advice": [],
    "wall_s": 1.25,
    "cpu_s": 2.5,
    "peak_memory_bytes": 2**28,
    "wall_limit_s": 30.0,
    "memory_limit_bytes": 2**31,
    "hidden": {"wall_s": 6.5, "wall_limit_s": 30.0, "peak_memory_bytes": 2**28 + 2**24},
    "curve": {
        "images": 32,
        "points": [
            {"step": step, "retain": retain, "forget": forget, "test": test}
            for step, retain, forget, test in (
                (0, 1.0, 0.97, 0.38),
                (3, 0.94, 0.75, 0.34),
                (6, 0.81, 0.5, 0.31),
                (11, 0.91, 0.47, 0.34),
            )
        ],
    },
}
PRACTICE = {
    "rule": "exact", "runs": 8, "oracles": 32, "score": 0.3217, "low": 0.2411, "high": 0.4023,
    "forgetting_quality": 0.3402, "retain_ratio": 0.971, "test_ratio": 0.974,
    "epsilon": [0.13, 0.21, 0.4, 0.4, 0.55, 0.61, 0.97, 1.02, 1.13, 1.4, 1.44, 1.9, 2.31, 2.6],
    "margins": [-3.1, -2.2, -1.4, -0.8, -0.3, 0.1, 0.4, 0.9, 1.3, 1.9, 2.4, 3.3, 4.1, 6.2],
    "oracle_margins": [-4.4, -3.0, -2.1, -1.6, -1.1, -0.6, -0.2, 0.3, 0.6, 1.0, 1.6, 2.2, 3.0, 4.4],
}  # fmt: skip
STATES: dict[str, dict[str, Any]] = {
    "queued": {"state": SubmissionState.QUEUED, "finished_at": None},
    "running": {
        "state": SubmissionState.RUNNING,
        "finished_at": None,
        "runs_shown": 12,
        "check_report": REPORT | {"traceback": "", "practice": PRACTICE},
    },
    "failed-check": {
        "state": SubmissionState.FAILED,
        "owner": Owner.PARTICIPANT,
        "fault_stage": Stage.CHECK,
        "fault_code": "exception",
        "fault_message": TRACEBACK,
        "fault_line": 5,
        "check_report": REPORT,
        "is_charged": False,
    },
    "failed-run": {
        "state": SubmissionState.FAILED,
        "owner": Owner.PARTICIPANT,
        "fault_stage": Stage.RUN,
        "fault_code": "out_of_memory",
        "fault_message": "Killed",
        "runs_shown": 16,
        "check_report": REPORT | {"traceback": ""},
    },
    "disqualified": {"state": SubmissionState.SCORED, "disqualified_reason": "It is a copy of another team's file."},
}
BROKEN = "import torch\n\n\ndef unlearning(net:\n    return net\n"
GOOD = "def unlearning(net, retain, forget, validation):\n    return net\n"
DRAG = """([text, name, type]) => {
  const data = new DataTransfer();
  data.items.add(new File([text], name, {type: "text/x-python"}));
  const target = document.querySelector(type === "paste" ? "textarea" : ".drop");
  const event = type === "paste"
    ? new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true})
    : new DragEvent(type, {dataTransfer: data, bubbles: true, cancelable: true});
  return target.dispatchEvent(event);
}"""


@pytest.fixture
def newcomer(site: Any, request: pytest.FixtureRequest) -> dict[str, Any]:
    """The browser state of somebody without a team, and with all quotas."""
    state: dict[str, Any] = site.add_person(request.node.name)
    return state


@pytest.fixture(scope="module")
def member(site: Any) -> dict[str, Any]:
    """The browser state of somebody with a team."""
    state: dict[str, Any] = site.add_person("quinn")
    site.add_team("faces", TEAM, "quinn")
    return state


@pytest.mark.parametrize("name", STATES)
def test_every_state_is_accessible_and_fits_a_phone(
    open_page: OpenPage, site: Any, member: dict[str, Any], name: str
) -> None:
    page = open_page(site.add_submission("faces", TEAM, **STATES[name]), storage_state=member)
    for scheme in ("light", "dark"):
        assert_accessible(page, scheme)
        page.screenshot(path=_shot(f"submission-{name}-{scheme}"), full_page=True)
    for width in (320, 390):
        page.set_viewport_size({"width": width, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.screenshot(path=_shot(f"submission-{name}-phone"), full_page=True)
    if name == "running":
        page.locator(".histogram summary").first.click()
        expect(page.locator(".histogram tbody tr").nth(1)).to_have_text("0.5 to 1.03")
        expect(page.get_by_role("img", name="Mean margins on 14 forget images, on average: runs 0.91")).to_be_visible()
    if name == "failed-check":
        page.get_by_role("link", name='File "submission.py", line 5').first.click()
        expect(page.locator(".source .line:target")).to_have_text("    return net\n")
    if name == "failed-run":
        assert page.locator(".source .marked").count() == 0
        assert page.get_by_text("Killed").count() == 0


def test_a_page_asks_by_itself_while_no_event_stream_is_free(
    open_page: OpenPage, site: Any, member: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site.context.one(Feed), "limit", 0)
    path = site.add_submission("faces", TEAM, **STATES["queued"])
    page = open_page(path, storage_state=member, ignore="status of 503")
    with page.expect_response(lambda answer: answer.url.endswith(path)) as poll:
        pass  # it comes without a hand
    assert poll.value.status == 200


def test_a_file_is_dropped_and_pasted_checked_and_submitted(open_page: OpenPage, newcomer: dict[str, Any]) -> None:
    refused = "status of 422"  # the answer to a file that cannot be submitted
    page = open_page("/competitions/faces/submit", storage_state=newcomer, ignore=refused)
    page.evaluate("window.stayed = true")
    assert not page.evaluate(DRAG, [BROKEN, "broken.py", "dragover"])  # so the browser lets it fall
    expect(page.locator(".drop.over")).to_be_visible()
    assert not page.evaluate(DRAG, [BROKEN, "broken.py", "drop"])
    expect(page.locator(".drop.over")).to_have_count(0)
    expect(page.locator(".verdict.fault .line.marked")).to_have_text("def unlearning(net:\n")
    assert page.locator("input[type=file]").evaluate("input => input.files[0].name") == "broken.py"

    assert not page.evaluate(DRAG, [GOOD, "pasted.py", "paste"])
    expect(page.locator(".verdict.good")).to_contain_text("is ready to submit")
    expect(page.locator(".verdict")).to_have_count(1)
    assert page.evaluate("window.stayed")
    page.screenshot(path=_shot("submit-checked-light"), full_page=True)
    page.get_by_role("button", name="Submit").click()
    page.wait_for_url("**/submissions/*")
    expect(page.get_by_role("heading", name="pasted.py")).to_be_visible()


def test_pasted_source_is_checked_at_once_and_counts_before_a_file(
    open_page: OpenPage, newcomer: dict[str, Any]
) -> None:
    refused = "status of 422"
    page = open_page(
        "/competitions/faces/submit",
        storage_state=newcomer,
        ignore=refused,
        permissions=["clipboard-read", "clipboard-write"],
    )
    page.evaluate(DRAG, [GOOD, "dropped.py", "drop"])
    expect(page.locator(".verdict.good")).to_be_visible()
    page.evaluate("text => navigator.clipboard.writeText(text)", BROKEN)
    page.get_by_label("Or paste the source").focus()
    page.keyboard.press("Control+V")
    expect(page.locator(".verdict.fault .line.marked")).to_have_text("def unlearning(net:\n")
    assert page.locator("input[type=file]").evaluate("input => input.files.length") == 0


def _shot(name: str) -> Path:
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    return ARTIFACTS / f"{name}.png"
