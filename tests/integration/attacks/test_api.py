"""What a hostile file says and is called reaches the database, the API, pages and terminals as text that only reads."""

import html
import json
import re
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from lethe.attacks.attack_bench import AttackBench
from lethe.evaluator.contract.states import Stage
from lethe.evaluator.run_reports import check_report, fault_of
from lethe.server.cli.descriptions import describe_submission
from lethe.server.models import ApiToken, Submission
from lethe.server.submissions.schemas import SubmissionView
from tests.integration.attacks.conftest import CASES
from tests.integration.server.conftest import (
    GOOD,
    SLUG,
    Site,
    postgres_template,
    root_path,
    site,
    sqlite_template,
    upload,
)

__all__ = ["postgres_template", "root_path", "site", "sqlite_template"]
pytestmark = pytest.mark.component("bubblewrap", "postgresql")

UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
MARKUP = "<script>alert(1)</script>"
NAMES = {
    "../../../etc/cron.d/evil.py": "evil.py",
    "..\\..\\windows\\evil.py": "evil.py",
    "/etc/passwd": "passwd",
    "a\x7fb\x1b[2J\u202e.py": "ab[2J.py",
    MARKUP + ".py": "script>.py",
    "..": "submission.py",
    "/": "submission.py",
    "x" * 1_000 + ".py": "x" * 100,
}


def hostile_outcome(bench: AttackBench) -> dict[str, Any]:
    """What a worker reports of a run that says everything that it should not."""
    result = bench.plain(Stage.CHECK).run(CASES["unprintable_message"].source, function="unlearning", seed=1)
    fault = fault_of(result, is_hidden=False)
    assert MARKUP in fault.message
    report = check_report(result, ())
    return {"fault": fault.model_dump(mode="json"), "check": report.model_dump(mode="json")}


def test_hostile_text_is_stored_and_shown_as_text(site: Site, bench: AttackBench) -> None:
    with site.register("ann") as ann:
        upload(ann)
        job = site.claim()
        assert job is not None
        assert site.report(job, **hostile_outcome(bench))
        identifier = ann.get(f"/competitions/{SLUG}/submissions").json()["items"][0]["id"]
        for path in (f"/submissions/{identifier}", f"/submissions/{identifier}/log"):
            answer = ann.get(path)
            assert answer.status_code == 200
            assert answer.headers["content-type"] == "application/json"
            assert not any(UNFIT.search(text) for text in texts(answer.json())), path
        view = SubmissionView.model_validate(ann.get(f"/submissions/{identifier}").json())
        assert view.error is not None
        assert view.error.output is not None
        assert MARKUP in view.error.output
        assert not UNFIT.search(describe_submission(view))


def texts(value: object) -> list[str]:
    """All strings in a JSON document."""
    if isinstance(value, dict):
        return [text for each in value.values() for text in texts(each)]
    if isinstance(value, list):
        return [text for each in value for text in texts(each)]
    return [value] if isinstance(value, str) else []


def test_file_names_lead_nowhere(site: Site) -> None:
    with site.register("ann") as ann:
        for number, (name, shown) in enumerate(NAMES.items()):
            answer = upload(ann, GOOD + b"0\n" * number, name=name)
            assert answer.status_code == 202, name[:80]
            assert answer.json()["filename"] == shown
    with site.context.database.read() as session:
        keys = list(session.scalars(select(Submission.source_key)))
    assert len(keys) == len(NAMES)
    assert all(re.fullmatch(r"sources/[0-9a-f]{64}\.py", key) for key in keys)


def test_sources_come_back_as_files_that_no_browser_opens(site: Site) -> None:
    with site.register("ann") as ann:
        page = f"'''{MARKUP}'''\n".encode() + GOOD
        identifier = upload(ann, page, name="page.html").json()["id"]
        answer = ann.get(f"/submissions/{identifier}/source")
    assert answer.content == page
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path", [f"/competitions/{MARKUP}", f"/{MARKUP}", f"/competitions/x/leaderboard?view={MARKUP}"]
)
def test_error_pages_escape_what_was_asked_for(site: Site, path: str) -> None:
    answer = httpx.get(site.url + path, headers={"Accept": "text/html"}, timeout=30)
    assert answer.status_code in {404, 422}
    assert answer.headers["content-type"].startswith("text/html")
    assert "<script>alert" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert html.escape(MARKUP) in answer.text or "script" not in answer.text.split("<main", 1)[-1]


@pytest.mark.parametrize("text", ["a\u0000b", "\ud800", "\x1b[2J", "\u202e", "x" * 100_000])
def test_hostile_texts_in_requests_are_refused_not_stumbled_over(site: Site, text: str) -> None:
    with site.register("ann") as ann:
        calls = [
            ("/users", {"username": text, "email": "b@example.org", "password": "correct horse"}),
            ("/users", {"username": "bob", "email": f"{text}@example.org", "password": "correct horse"}),
            ("/users", {"username": "carl", "email": "c@example.org", "password": text}),
            ("/tokens", {"name": text}),
            (f"/competitions/{SLUG}/submissions", {"file": text}),
        ]
        for path, body in calls:
            answer = ann.post(path, content=json.dumps(body), headers={"Content-Type": "application/json"})
            assert answer.status_code < 500, (path, answer.text)
            assert not UNFIT.search(answer.text), path
    with site.context.database.read() as session:
        assert not any(UNFIT.search(name) for name in session.scalars(select(ApiToken.name)))


def test_hostile_credentials_are_wrong_credentials(site: Site) -> None:
    with site.client() as client:
        for name in ("a\0b", "x" * 5_000, "\u202e"):
            assert client.post("/tokens", json={}, auth=(name, "correct horse")).status_code in {401, 422}
        for token in ("\x80", "x" * 5_000, "lethe_" + "\xff" * 40):
            answer = client.get("/tokens", headers=[(b"Authorization", b"Bearer " + token.encode("latin-1"))])
            assert answer.status_code == 401


def test_numbers_beyond_any_integer_are_refused(site: Site) -> None:
    with site.register("ann") as ann:
        for number in (2**63, 10**40):
            for name in ("offset", "limit"):
                answer = ann.get(f"/competitions/{SLUG}/submissions", params={name: number})
                assert answer.status_code in {200, 422}, (name, answer.text)


@pytest.mark.parametrize("slug", ["%00", "..%2f..%2fetc", "%ed%a0%80", "a" * 10_000, "%1b%5b2J"])
def test_hostile_paths_are_not_found(site: Site, slug: str) -> None:
    with site.register("ann") as ann:
        for path in (f"/competitions/{slug}", f"/competitions/{slug}/leaderboard", f"/submissions/{slug}"):
            answer = ann.get(path)
            assert answer.status_code in {404, 422}, (path, answer.text)
            assert not UNFIT.search(answer.text)
