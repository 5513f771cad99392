"""Tables for spreadsheets: whatever a team calls itself, nothing in them is a formula."""

import csv
import io
import re

import pytest

from lethe.server.http.csv_table import csv_table


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "=cmd|' /C calc'!A0", '="a";"b"', ' "=1'])
def test_what_looks_like_a_formula_becomes_text(name: str) -> None:
    (_, row) = csv.reader(io.StringIO(csv_table(["team"], [[name]]), newline=""))
    assert row == [f"'{name}"]


@pytest.mark.parametrize("name", ["x;=1+1", "x\t=1", "\t=1", "x; =1", 'x;"=1"', "a;b;@SUM(A1)", "x\n-1", "x;\t+1"])
def test_what_a_spreadsheet_of_another_language_would_cut_out_becomes_text(name: str) -> None:
    (_, row) = csv.reader(io.StringIO(csv_table(["team"], [[name]]), newline=""))
    for cell in re.split(r"[;\t\r\n]", row[0]):
        assert not re.match(r"""[\s"]*[=+\-@]""", cell), row
    assert row[0].replace("'", "") == name


def test_everything_else_stays() -> None:
    rows = [["a=b; c-d", 'says "hi", twice', -0.5, 0, None], ["日本", "", -1e-9, 12, "x"]]
    read = list(csv.reader(io.StringIO(csv_table(["a", "b", "c", "d", "e"], rows), newline="")))
    assert read[1:] == [["" if value is None else str(value) for value in row] for row in rows]
