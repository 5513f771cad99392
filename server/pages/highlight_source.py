"""Splits one untrusted Python source into coloured pieces; a parser process runs it in an isolated child.

Standard library only and no project import, as for parse_source.py. Plain text has an empty class.
"""

import builtins
import io
import keyword
import tokenize

Piece = tuple[str, str]

_BUILTINS = frozenset(dir(builtins))
_TEXTS = {"STRING", "FSTRING_START", "FSTRING_MIDDLE", "FSTRING_END", "TSTRING_START", "TSTRING_MIDDLE", "TSTRING_END"}


def colour(source: str) -> list[list[Piece]]:
    """Return the lines of `source` in pieces whose texts add up to the source without its line ends."""
    lines = split_lines(source)
    pieces: list[list[Piece]] = [[] for _ in lines]
    row, column = 1, 0

    def add(kind: str, end_row: int, end_column: int) -> None:
        nonlocal row, column
        while row < end_row:
            put(kind, lines[row - 1][column:])
            row, column = row + 1, 0
        if row <= len(lines):
            put(kind, lines[row - 1][column:end_column])
        column = max(column, end_column)

    def put(kind: str, text: str) -> None:
        if text:
            pieces[row - 1].append((kind, text))

    defining = False
    for token in tokenize.generate_tokens(io.StringIO("\n".join(lines)).readline):
        if (token.start[0], token.start[1]) < (row, column) or token.start[0] > len(lines):
            continue
        add("", *token.start)
        add(kind_of(token, defining=defining), *token.end)
        defining = token.string in {"def", "class"}
    add("", len(lines) + 1, 0)
    return pieces


def split_lines(source: str) -> list[str]:
    """Return the lines as Python counts them: form feeds and Unicode's separators do not end a line."""
    lines = source.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return lines[:-1] if lines[-1] == "" and len(lines) > 1 else lines


def kind_of(token: tokenize.TokenInfo, *, defining: bool) -> str:
    """Return the class of a token, or an empty text."""
    name = tokenize.tok_name[token.type]
    if name == "COMMENT":
        return "comment"
    if name in _TEXTS:
        return "text"
    if name == "NUMBER":
        return "number"
    if name != "NAME":
        return ""
    if defining:
        return "name"
    if keyword.iskeyword(token.string):
        return "keyword"
    return "builtin" if token.string in _BUILTINS else ""


def run(data: bytes, order: dict[str, object]) -> dict[str, object]:  # noqa: ARG001 - every program has it
    """Return `{"lines"}`: a list of lines, each a list of [class, text], or null if the source cannot be split."""
    try:
        return {"lines": colour(data.decode("utf-8-sig"))}
    except (tokenize.TokenError, SyntaxError, RecursionError, MemoryError):
        return {"lines": None}
