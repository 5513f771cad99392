"""What the pages say stands in `texts` and in the templates, not in code and not in scripts."""

import ast
import re
from pathlib import Path

import pytest

from server.pages import texts
from server.pages.rendering import STATIC

PAGES = Path(texts.__file__).parent
OTHER_HOMES = {"snippets.py", "formatting.py"}  # of code that people copy, and of months and units
SAID = re.compile(r"^[A-Z][a-z]+( [a-z]|[.:!?]?$)|[a-z]( [a-z]+){5}")
"""Begins as a sentence does, or has six words in a row."""
HEADERS = {"Accept", "Cookie", "Refresh", "Vary"}


def strings(tree: ast.AST) -> list[str]:
    """The texts of a module that are no documentation."""
    documentation = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation
    ]


@pytest.mark.parametrize(
    "path",
    sorted(set(PAGES.rglob("*.py")) - {PAGES / name for name in OTHER_HOMES | {"texts.py"}}),
    ids=lambda path: path.name,
)
def test_code_says_nothing_to_people(path: Path) -> None:
    found = {text for text in strings(ast.parse(path.read_text(encoding="utf-8"))) if SAID.search(text)}
    assert found - HEADERS == set()


@pytest.mark.parametrize("path", sorted(STATIC.glob("*.js")), ids=lambda path: path.name)
def test_scripts_say_nothing_to_people(path: Path) -> None:
    code = re.sub(r"^ *//.*$| // .*$", "", path.read_text(encoding="utf-8"), flags=re.M)
    found = [text for _, text in re.findall(r"""(["'`])((?:(?!\1).)*)\1""", code)]
    assert [text for text in found if SAID.search(text)] == []


def test_every_text_is_used() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in PAGES.rglob("*.py") if path.name != "texts.py")
    names = {name for name in vars(texts) if name.isupper()}
    assert len(names) > 50
    assert [name for name in sorted(names) if not re.search(rf"\btexts\.{name}\b", code)] == []
