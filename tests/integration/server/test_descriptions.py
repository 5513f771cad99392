"""What teams say about submissions: who sees it and when, who may change it, hostile texts, and published sources."""

import csv
import io
import json
from typing import Any

import httpx
import pytest
from rich.console import Console
from sqlalchemy import select
from typer.testing import CliRunner

from lethe.evaluator.contract.specification import BoardSpec
from lethe.server.cli import app
from lethe.server.cli.tables import print_leaderboard
from lethe.server.competitions.service import get_competition
from lethe.server.hosting import account_administration, actions, creation, finals
from lethe.server.hosting.archive import export
from lethe.server.leaderboard.schemas import Leaderboard
from lethe.server.leaderboard.standings import mark_board_changed
from lethe.server.models import AuditEvent, Submission, Team
from lethe.server.models.times import utc_now
from tests.integration.server.conftest import GOOD, SLUG, Site, upload

pytestmark = pytest.mark.component("postgresql")

HERE = f"/competitions/{SLUG}"
SAID = {"method": "Noise & tune", "note": "less noise", "link": "https://example.org/paper?a=1&b=2"}
NEAR = 0.2


@pytest.fixture
def database_url(postgres_url: str) -> str:
    """One database is enough: the columns are plain text."""
    return postgres_url


def send(client: httpx.Client, data: bytes = GOOD, **said: str) -> httpx.Response:
    return client.post(f"{HERE}/submissions", files={"file": ("mine.py", data)}, data=said)


def reveal(site: Site) -> None:
    with site.context.database.write() as session:
        competition = get_competition(session, SLUG)
        competition.closed_at = competition.finals_started_at = competition.revealed_at = utc_now()


def row_of(client: httpx.Client, team: str, view: str = "public") -> dict[str, Any]:
    rows = client.get(f"{HERE}/leaderboard?view={view}").json()["rows"]
    found: dict[str, Any] = next(row for row in rows if row["team"] == team)
    return found


def words(view: dict[str, Any]) -> dict[str, Any]:
    return {name: view[name] for name in SAID}


def test_a_team_says_what_it_sends_and_changes_it_until_the_reveal(site: Site) -> None:
    with site.register("ann") as ann, site.register("bob") as bob:
        sent = send(ann, **SAID).json()
        assert words(sent) == SAID
        address = f"/submissions/{sent['id']}"
        assert words(send(ann, method="Other").json()) == SAID  # the same file: the earlier one with its words
        changed = ann.patch(address, json={"note": " more noise ", "link": None})
        assert words(changed.json()) == {"method": SAID["method"], "note": "more noise", "link": None}
        assert words(ann.patch(address, json={"method": ""}).json())["method"] is None
        assert bob.patch(address, json={"note": "x"}).status_code == 404
        reveal(site)
        refused = ann.patch(address, json={"note": "x"})
        assert (refused.status_code, refused.json()["code"]) == (409, "description_fixed")
        with site.context.database.write() as session:
            account_administration.set_host(session, "bob", SLUG, is_host=True)
        assert bob.patch(address, json={"method": "Corrected"}).status_code == 200
        with site.context.database.read() as session:
            event = session.scalars(select(AuditEvent).where(AuditEvent.action == "submission.describe")).one()
        assert (event.actor, event.details) == ("user:bob", {"changed": ["method"]})


def test_boards_show_methods_when_the_host_wants_it_and_never_notes(site: Site) -> None:
    wanted: dict[Any, tuple[bool, bool]] = {
        "never": (False, False),
        "after_reveal": (False, True),
        "always": (True, True),
    }
    with site.register("ann") as ann, site.client() as nobody:
        send(ann, **SAID)
        site.evaluate(NEAR)
        for when, is_revealed in [(when, is_revealed) for is_revealed in (False, True) for when in wanted]:
            if is_revealed:
                reveal(site)
            site.change_specification(board=BoardSpec(methods=when))
            with site.context.database.write() as session:
                mark_board_changed(session, get_competition(session, SLUG).id)
            is_shown = wanted[when][is_revealed]
            row = row_of(nobody, "ann")
            assert (row["method"], row["link"]) == ((SAID["method"], SAID["link"]) if is_shown else (None, None))
            text = nobody.get(f"{HERE}/leaderboard?format=csv").text
            table = {one["team"]: one for one in csv.DictReader(io.StringIO(text))}
            assert table["ann"]["method"] == (SAID["method"] if is_shown else "")
            page = httpx.get(f"{site.url}{HERE}/leaderboard?view=public").text
            assert ("Noise &amp; tune" in page) is is_shown
            assert ('rel="nofollow noopener"><bdi>example.org</bdi>' in page) is is_shown
            assert SAID["note"] not in text + page + nobody.get(f"{HERE}/leaderboard").text


def test_the_board_shows_the_words_of_the_best_submission_and_of_its_origin(site: Site) -> None:
    site.change_specification(board=BoardSpec(methods="always"))
    with site.register("ann") as ann:
        send(ann, GOOD + b"'far'\n", method="Far")
        site.evaluate(3.0)
        send(ann, GOOD + b"'near'\n", method="Near")
        site.evaluate(NEAR)
        assert row_of(ann, "ann")["method"] == "Near"
        with site.context.database.write() as session:
            actions.close(session, SLUG)
        creation.start_finals(site.context, SLUG)
        site.evaluate(NEAR)
        with site.context.database.write() as session:
            finals.reveal(session, SLUG)
        assert row_of(ann, "ann", "final")["method"] in {"Near", "Far"}


def test_words_that_pages_or_terminals_would_obey_are_refused(site: Site) -> None:
    with site.register("ann") as ann:
        sent = send(ann).json()["id"]
        for field, text in {"method": "a\u202egnp.exe", "note": "two\nlines", "link": "javascript:alert(1)"}.items():
            refused = send(ann, GOOD + b"1", **{field: text})
            assert (refused.status_code, refused.json()["code"]) == (422, "invalid_description")
            assert refused.json()["detail"].startswith(field.capitalize())
            assert ann.patch(f"/submissions/{sent}", json={field: text}).status_code == 422
            assert words(ann.get(f"/submissions/{sent}").json()) == dict.fromkeys(SAID)
        assert len(ann.get(f"{HERE}/submissions").json()["items"]) == 1


def test_words_are_text_in_tables_and_terminals(site: Site) -> None:
    site.change_specification(board=BoardSpec(methods="always"))
    with site.register("ann") as ann:
        sent = send(ann).json()["id"]
        site.evaluate(NEAR)
        for text in ("=HYPERLINK(1)", "[/red]", "[link=https://evil.org]x[/link]", "<script>1</script>"):
            assert ann.patch(f"/submissions/{sent}", json={"method": text, "note": text}).status_code == 200
            with site.context.database.write() as session:
                session.scalars(select(Team)).one().name = text
                mark_board_changed(session, get_competition(session, SLUG).id)
            board = Leaderboard.model_validate(ann.get(f"{HERE}/leaderboard").json())
            screen = io.StringIO()
            print_leaderboard(board, Console(width=250, file=screen, force_terminal=True, color_system="truecolor"))
            assert screen.getvalue().count(text) == 2
            assert "]8;" not in screen.getvalue()
            rows = csv.reader(io.StringIO(ann.get(f"{HERE}/leaderboard?format=csv").text))
            assert not any(cell.startswith("=") for row in rows for cell in row)
            assert text not in httpx.get(f"{site.url}{HERE}/leaderboard").text or "<" not in text


def test_a_source_is_published_by_its_team_after_the_reveal_and_withdrawn(site: Site, tmp_path: Any) -> None:
    with site.register("ann") as ann, site.register("bob") as bob, site.client() as nobody:
        sent = send(ann, **SAID).json()["id"]
        site.evaluate(NEAR)
        address, shown = f"/submissions/{sent}/publication", f"{HERE}/sources/{sent}"
        early = ann.put(address, json={"licence": "MIT"})
        assert (early.status_code, early.json()["code"]) == (409, "not_publishable")
        reveal(site)
        assert nobody.get(f"{HERE}/sources").json() == {"items": [], "next_cursor": None}
        assert bob.put(address, json={"licence": "MIT"}).status_code == 404
        assert ann.put(address, json={"licence": "WTFPL"}).status_code == 422
        assert nobody.get(shown).json()["code"] == "source_not_found"
        assert ann.put(address, json={"licence": "MIT"}).json()["licence"] == "MIT"
        (listed,) = nobody.get(f"{HERE}/sources").json()["items"]
        assert (listed["team"], listed["licence"], listed["method"]) == ("ann", "MIT", SAID["method"])
        assert "note" not in listed
        found = nobody.get(shown)
        assert found.content == GOOD
        assert found.headers["content-type"].startswith("text/plain")
        assert "attachment" in found.headers["content-disposition"]
        page = httpx.get(f"{site.url}{shown}").text
        assert "MIT" in page
        assert SAID["note"] not in page + httpx.get(f"{site.url}{HERE}/sources").text
        export(site.context, SLUG, tmp_path / "archive")
        (row,) = csv.DictReader(io.StringIO((tmp_path / "archive" / "submissions.csv").read_text()))
        assert (row["licence"], row["link"]) == ("MIT", SAID["link"])
        assert SAID["note"] not in (tmp_path / "archive" / "archive.json").read_text()
        # A copy of another team is its own submission, and no luck: the seeds come from the source.
        with site.context.database.write() as session:
            get_competition(session, SLUG).revealed_at = None
            get_competition(session, SLUG).finals_started_at = get_competition(session, SLUG).closed_at = None
        assert upload(bob).json()["id"] != sent
        reveal(site)
        assert ann.delete(address).json()["licence"] is None
        assert nobody.get(shown).status_code == 404
        assert nobody.get(f"{HERE}/sources").json()["items"] == []


def test_a_disqualified_source_is_shown_to_nobody(site: Site) -> None:
    with site.register("ann") as ann, site.client() as nobody:
        sent = send(ann).json()["id"]
        site.evaluate(NEAR)
        reveal(site)
        ann.put(f"/submissions/{sent}/publication", json={"licence": "MIT"})
        with site.context.database.write() as session:
            actions.disqualify_submission(session, session.scalars(select(Submission)).one(), reason="not theirs")
        assert nobody.get(f"{HERE}/sources/{sent}").status_code == 404
        assert nobody.get(f"{HERE}/sources").json()["items"] == []


def test_words_of_a_benchmark_change_until_its_end(site: Site) -> None:
    with site.register("ann") as ann:
        send(ann)
        site.evaluate(NEAR)
        reveal(site)
        creation.start_benchmark(site.context, SLUG)
        address = f"/submissions/{send(ann, GOOD + b'1', **SAID).json()['id']}"
        assert ann.patch(address, json={"method": "Later"}).json()["method"] == "Later"
        creation.end_benchmark(site.context, SLUG)
        assert ann.patch(address, json={"method": "Last"}).status_code == 409


def test_the_command_line_says_publishes_and_keeps_a_benchmark(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def lethe(*arguments: str) -> Any:
        done = CliRunner().invoke(app, [*arguments, "--json"], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return json.loads(
            next(line for line in done.stdout.splitlines() if line.startswith("{"))
        )  # the server logs, too

    with site.register("ann") as ann:
        sent = send(ann).json()["id"]
        monkeypatch.setenv("LETHE_SERVER", site.url)
        monkeypatch.setenv("LETHE_TOKEN", ann.headers["Authorization"].removeprefix("Bearer "))
    monkeypatch.setenv("LETHE_HOME", str(site.context.settings.home))
    monkeypatch.setenv("LETHE_DATABASE_URL", site.context.settings.database)
    site.evaluate(NEAR)
    said = [f"--{name}={text}" for name, text in SAID.items()]
    assert words(lethe("describe", sent, *said)) == SAID
    assert words(lethe("describe", sent, "--note", "")) == SAID | {"note": None}
    reveal(site)
    assert lethe("publish", sent, "--licence", "MPL-2.0")["licence"] == "MPL-2.0"
    assert lethe("publish", sent, "--withdraw")["licence"] is None
    assert lethe("admin", "competition", "benchmark", SLUG)["benchmark"] is True
    assert lethe("leaderboard", SLUG, "--view", "benchmark")["view"] == "benchmark"
    assert lethe("admin", "competition", "benchmark", SLUG, "--end")["benchmark"] is False
