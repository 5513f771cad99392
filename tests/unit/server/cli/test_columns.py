"""Tables: what a narrow terminal leaves out and cuts, and what a pipe gets."""

from io import StringIO

import pytest
from rich.console import Console

from lethe.server.cli.columns import Column, print_table

COLUMNS = [
    Column("id", ["0123abcd", "4567cdef"]),
    Column("team", ["a rather long name of a team", "中文\tname [red]"], least=8),
    Column("score", ["0.1234", "0.0500"], right=True),
    Column("95% interval", ["0.1000–0.1500", "0.0400–0.0600"], 1),
    Column("sent", ["2026-11-30 17:00", "2026-11-30 18:00"], 2),
]


def printed(width: int, *, is_terminal: bool = True) -> list[str]:
    stream = StringIO()
    console = Console(file=stream, width=width, force_terminal=is_terminal, color_system=None)
    print_table(COLUMNS, console, title="A title")
    return stream.getvalue().splitlines()


@pytest.mark.parametrize(
    ("width", "titles"),
    [
        (90, "id team score 95% interval sent"),
        (50, "id team score 95% interval"),
        (40, "id team score"),
        (10, "id team score"),
    ],
)
def test_the_least_important_columns_are_left_out_first(width: int, titles: str) -> None:
    title, *lines = printed(width)
    assert title.rstrip() == "A title"
    assert " ".join(lines[0].split()) == titles
    assert len(lines) == 3
    assert lines[1].startswith("0123abcd  a rat")
    assert "0.1234" in lines[1]
    assert "中文 name [red]" in printed(90)[3]


def test_a_name_is_cut_before_a_line_is_too_long() -> None:
    line = printed(40)[2].rstrip()
    assert len(line) == 40
    assert "..." in line
    assert line.endswith("0.1234")


def test_a_pipe_gets_everything_between_tabs() -> None:
    titles, *lines = printed(20, is_terminal=False)
    assert titles.split("\t") == ["id", "team", "score", "95% interval", "sent"]
    assert lines[0].split("\t")[1] == "a rather long name of a team"
    assert lines[1].split("\t") == ["4567cdef", "中文 name [red]", "0.0500", "0.0400–0.0600", "2026-11-30 18:00"]
