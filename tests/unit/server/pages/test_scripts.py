"""Scripts take their words from attributes of the page, where they stand beside the other texts."""

import re
from pathlib import Path

import pytest

from lethe.server.pages.rendering import STATIC

SAID = re.compile(r"^[A-Z][a-z]+( [a-z]|[.:!?]?$)|[a-z]( [a-z]+){5}")
"""Begins as a sentence does, or has six words in a row."""


@pytest.mark.parametrize("path", sorted(STATIC.glob("*.js")), ids=lambda path: path.name)
def test_scripts_say_nothing_to_people(path: Path) -> None:
    code = re.sub(r"^ *//.*$| // .*$", "", path.read_text(encoding="utf-8"), flags=re.M)
    found = [text for _, text in re.findall(r"""(["'`])((?:(?!\1).)*)\1""", code)]
    assert [text for text in found if SAID.search(text)] == []


@pytest.mark.parametrize("path", sorted(STATIC.glob("*.js")), ids=lambda path: path.name)
def test_scripts_know_no_address(path: Path) -> None:
    assert re.findall(r"""["'`]/[a-z][^"'`]*""", path.read_text(encoding="utf-8")) == []
