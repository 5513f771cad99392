"""Coloured sources: nothing is lost or added, hostile files cost little, and colours are only ever a class."""

from pathlib import Path

import pytest

from lethe.server.pages.highlight_source import split_lines
from lethe.server.pages.source_view import Piece, source_lines

REPOSITORY = Path(__file__).parents[4]


def kinds(source: str) -> dict[str, str]:
    return {piece.text: piece.kind for line in source_lines(source.encode()) for piece in line}


@pytest.mark.parametrize("path", sorted((REPOSITORY / "baselines").glob("*.py")), ids=lambda path: path.name)
def test_the_text_is_the_source(path: Path) -> None:
    shown = ["".join(piece.text for piece in line) for line in source_lines(path.read_bytes())]
    assert shown == path.read_text(encoding="utf-8").splitlines()


def test_words_have_their_colours() -> None:
    found = kinds('def forget(x):\n    return len("a") + 1  # note\n')
    assert (found["def"], found["forget"], found["len"]) == ("keyword", "name", "builtin")
    assert (found['"a"'], found["1"], found["# note"]) == ("text", "number", "comment")


def test_a_text_over_several_lines_stays_one_colour() -> None:
    lines = source_lines(b'"""one\n\ntwo"""\n')
    assert lines == ((Piece("text", '"""one'),), (), (Piece("text", 'two"""'),))


@pytest.mark.parametrize("source", ['x = """never closed', "  x\n y\n", "\x00", "(" * 100_000])
def test_what_cannot_be_split_is_shown_plain(source: str) -> None:
    lines = source_lines(source.encode())
    assert "\n".join("".join(piece.text for piece in line) for line in lines) == source.removesuffix("\n")


def test_lines_are_counted_as_python_counts_them() -> None:
    assert split_lines("a\x0cb\u2028c\r\nd\re\n") == ["a\x0cb\u2028c", "d", "e"]
