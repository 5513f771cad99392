"""Characters for terminals and pipes whose encoding lacks those that commands print."""

import codecs
import io
import sys

import typer

from lethe.server.plain_text import visible

HANDLER = "lethe-alternatives"
ALTERNATIVES = {
    "–": "-", "—": "-", "−": "-", "─": "-", "━": "-", "╸": "-", "╺": "-", "●": "o", "█": "#", "·": "|", "×": "x",
    "±": "+/-", "≤": "<=", "≥": ">=", "→": "->", "↑": "^", "↓": "v", "…": "...", "ε": "epsilon", "Σ": "sum", "’": "'",
}  # fmt: skip


def echo(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Print text that has words of people in it: what a terminal would obey is printed as an escape."""
    typer.echo(visible(text), err=err, nl=nl)


def fit_streams() -> None:
    """Let stdout and stderr print other characters where their encoding lacks one, instead of raising an error."""
    codecs.register_error(HANDLER, _alternative)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if not isinstance(stream, io.TextIOWrapper):
            continue
        if codecs.lookup(stream.encoding).name == "ascii":
            setattr(sys, name, _AsciiStream(stream))
        else:
            stream.reconfigure(errors=HANDLER)


class _AsciiStream(io.TextIOWrapper):
    """A stream of ASCII that does not say so: Click would write UTF-8 to it, taking its encoding for a mistake."""

    def __init__(self, stream: io.TextIOWrapper) -> None:
        super().__init__(stream.buffer, encoding="utf-8", line_buffering=stream.line_buffering)

    def write(self, text: str, /) -> int:
        super().write(text.encode("ascii", HANDLER).decode("ascii"))
        return len(text)


def _alternative(error: UnicodeError) -> tuple[str, int]:
    """Return what stands for the characters that cannot be encoded: one of ours, or the character's number."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return "".join(ALTERNATIVES.get(one) or _numbered(one) for one in missing), error.end


def _numbered(character: str) -> str:
    return character.encode("ascii", "backslashreplace").decode("ascii")
