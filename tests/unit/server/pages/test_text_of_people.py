"""Whatever people call themselves, every renderer shows it as text: tables, sentences, CSV, logs, pages, mail."""

import ast
import csv
import html
import io
import json
import logging
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote
from xml.etree.ElementTree import fromstring

import pytest
import structlog
from pydantic import BaseModel
from rich.console import Console
from sqlalchemy import select, update

from lethe.server.cli import characters, rescore, tables, teams, watch
from lethe.server.cli import descriptions as describe
from lethe.server.cli.columns import Column, print_table
from lethe.server.competitions.schemas import AnnouncementView, CompetitionFacts, CompetitionRow
from lethe.server.context import Context
from lethe.server.http.openapi_examples import EXAMPLES
from lethe.server.leaderboard.schemas import Leaderboard
from lethe.server.leaderboard.standings import mark_board_changed
from lethe.server.logs import configure_logs, get_logger
from lethe.server.models import Team
from lethe.server.pages.sharing.citation import bibtex_text
from lethe.server.plain_text import one_line, visible
from lethe.server.submissions.schemas import ReceiptView, SubmissionLog, SubmissionView
from lethe.server.teams.schemas import TeamView
from tests.unit.server.pages.conftest import Ask

CLI = Path(describe.__file__).parent
HOSTILE = [
    "x[/]",
    "[nlp] Forgetters",
    "[link=https://evil.example]x[/link]",
    "[bold red]loud[/bold red]",
    "\x1b]8;;https://evil.example\x1b\\x\x1b]8;;\x1b\\",
    "\x1b[2Jgone",
    "a\u202egnp.exe",
    "\u2066isolated",
    "\x9b31mred",
    "two\nlines\tand a tab",
    "=HYPERLINK(1)",
    "<script>owned=1</script>",
]
OBEYED = ("\x1b", "\x9b", "\u202e", "\u2066")


def filled(model: type[BaseModel], name: str) -> Any:
    """The API's example of an answer, in which every text that people write is `name`."""
    texts = {"team", "title", "summary", "method", "note", "filename", "body", "disqualified", "message", "stdout",
             "stderr", "traceback", "description"}  # fmt: skip

    def write(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {one: write(inner, one) for one, inner in value.items()}
        if isinstance(value, list):
            return [write(inner, key) for inner in value]
        return name if isinstance(value, str) and key in texts else value

    return model.model_validate(write(EXAMPLES[model.__name__]))


def console(*, is_terminal: bool) -> Console:
    return Console(file=io.StringIO(), width=200, force_terminal=is_terminal, color_system=None)


def table_renderers(name: str) -> dict[str, Callable[[Console], object]]:
    """Every function of the command line that prints a table."""
    worker = SimpleNamespace(
        name=name, key=name, state="idle", doing=None, submission_id=None, seen_at=structlog_now(),
        capabilities=SimpleNamespace(slots=1, memory_bytes=1, gpu=name, torch="2", sandbox_mode=name),
    )  # fmt: skip
    workers: Any = [worker]
    return {
        "print_leaderboard": lambda to: tables.print_leaderboard(filled(Leaderboard, name), to),
        "print_workers": lambda to: tables.print_workers(workers, to),
        "print_competitions": lambda to: tables.print_competitions([filled(CompetitionRow, name)], to),
        "print_submissions": lambda to: tables.print_submissions([filled(SubmissionView, name)], to),
        "print_table": lambda to: print_table([Column("team", [name])], to, title=name),
    }


def sentences(name: str) -> dict[str, Callable[[], str]]:
    """Every function of the command line that makes sentences of an answer."""
    view = filled(SubmissionView, name)
    return {
        "describe_submission": lambda: describe.describe_submission(view),
        "describe_log": lambda: describe.describe_log(filled(SubmissionLog, name), with_output=True),
        "describe_competition": lambda: describe.describe_competition(
            filled(CompetitionFacts, name), [filled(AnnouncementView, name)]
        ),
        "describe_receipt": lambda: describe.describe_receipt(ReceiptView.model_validate(EXAMPLES["ReceiptView"])),
    }


def structlog_now() -> Any:
    from lethe.server.models.times import utc_now

    return utc_now()


def functions(module: Any, prefix: str) -> set[str]:
    return {name for name in vars(module) if name.startswith(prefix)}


def test_no_renderer_is_left_out() -> None:
    assert functions(tables, "print_") <= table_renderers("x").keys()
    numbers_only = {"describe_quota", "describe_comparison"}
    assert functions(describe, "describe_") <= sentences("x").keys() | numbers_only


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("is_terminal", [True, False])
def test_tables_show_names_as_text(name: str, is_terminal: bool) -> None:
    for renderer, draw in table_renderers(name).items():
        to = console(is_terminal=is_terminal)
        draw(to)
        printed = to.file.getvalue()  # type: ignore[attr-defined]
        assert one_line(name)[:12] in printed, renderer
        assert not [one for one in OBEYED if one in printed], renderer


@pytest.mark.parametrize("name", HOSTILE)
def test_sentences_show_names_as_text(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    for renderer, make in sentences(name).items():
        characters.echo(make())
        printed = capsys.readouterr().out
        assert renderer == "describe_receipt" or visible(name).splitlines()[0] in printed, renderer
        assert not [one for one in OBEYED if one in printed], renderer
    team = TeamView.model_validate(EXAMPLES["TeamView"]).model_copy(update={"name": name, "members": [name]})
    teams._print(team, False)
    printed = capsys.readouterr().out
    assert printed.count(visible(name)) == 2
    assert not [one for one in OBEYED if one in printed]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_rescore_shows_names_as_text(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    move = SimpleNamespace(team=name, old_rank=1, new_rank=2, old_score=0.1, new_score=0.2, is_tied=False)
    metric = SimpleNamespace(rule="exact", cap_ratios=False)
    draft: Any = SimpleNamespace(
        old_metric=metric, new_metric=metric,
        moves={"public": [move]}, scores=[], unchanged=0, left_out=[],
    )  # fmt: skip
    rescore._show(draft)
    printed = capsys.readouterr().out
    assert one_line(name) in printed
    assert not [one for one in OBEYED if one in printed]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_progress_bar_shows_names_as_text(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    view = filled(SubmissionView, name)
    client: Any = SimpleNamespace(follow=lambda _: [view])
    assert watch.wait_for(client, view.id).filename == name
    drawn = capsys.readouterr().err
    assert one_line(name)[:12] in drawn
    assert not [one for one in OBEYED if one in drawn]


def test_every_bar_takes_its_words_as_text() -> None:
    """A column of Rich's reads markup unless it is told not to; a title or a cell that is a `str` does always."""
    for path in CLI.rglob("*.py"):
        for call in (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)):
            called = ast.unparse(call.func)
            if called.endswith("TextColumn") and "{" in ast.unparse(call.args[0]):
                assert "markup=False" in ast.unparse(call), f"{path.name}:{call.lineno}"
            if called.endswith((".add_row", ".add_column")):
                assert all(ast.unparse(one).startswith(("Text(", "*fitted")) for one in call.args), path.name


@pytest.mark.parametrize("name", HOSTILE)
def test_log_lines_show_names_as_text(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    handlers, hooks = logging.getLogger().handlers[:], structlog.get_config()
    try:
        configure_logs(level="INFO", log_format="text")
        get_logger("test").info("team_renamed", team=name)
        printed = capsys.readouterr().err
        assert one_line(name) in printed
        assert printed.count("\n") == 1
        assert not [one for one in OBEYED if one in printed]
        configure_logs(level="INFO", log_format="json")
        get_logger("test").info("team_renamed", team=name)
        assert json.loads(capsys.readouterr().err)["team"] == name
    finally:
        logging.getLogger().handlers[:] = handlers
        structlog.configure(**hooks)


def test_pages_and_csv_show_names_as_text(ask: Ask, competition: Context) -> None:
    for name in HOSTILE:
        with competition.database.write() as session:
            session.execute(update(Team).values(name=name[:40], name_key="k"))
            mark_board_changed(session, session.scalars(select(Team.competition_id)).one())
        competition.dispose()  # forget kept boards
        page = ask("/competitions/c/leaderboard").text.replace("<wbr>", "")
        escaped = html.escape(name[:40]).replace("&#x27;", "&#39;").replace("&quot;", "&#34;")
        assert f" data-open>{escaped}</a></bdi>" in page
        assert f"<bdi>{escaped}</bdi>" in ask("/competitions/c/embed").text.replace("<wbr>", "")
        text = ask("/api/v1/competitions/c/leaderboard?format=csv").text
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
        assert rows[0]["team"].removeprefix("'") == name[:40]
        assert rows[0]["team"][0] != "="
        feed = fromstring(ask("/competitions/c/feed.atom").content)  # noqa: S314 - our own
        (title,) = feed.iterfind("{*}entry/{*}title")
        assert (title.text or "").startswith(f"{one_line(name[:40])} is first in ")
        badge = fromstring(ask(f"/competitions/c/badge.svg?team={quote(name[:40])}").content)  # noqa: S314 - our own
        assert badge.findtext("{*}title") == f"c: {one_line(name[:40])} has rank 1 of 1"
        assert not [*feed.iter("script"), *badge.iter("{*}script")]
    cited = bibtex_text("".join(HOSTILE))
    assert cited.count("{") == cited.count("}") == cited.count("{}")
    assert not [one for one in (*OBEYED, "\n") if one in cited]


def test_account_sentences_show_addresses_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    characters.echo("ann\x1b[2J (a@b.c)")
    assert capsys.readouterr().out == "ann\\x1b[2J (a@b.c)\n"
