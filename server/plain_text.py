"""Text of people as plain text: what a terminal, a log or a mail would obey is made visible."""

import unicodedata

_KEPT = "\n\t\u200c\u200d"  # joiners are part of words and of emoji
_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def visible(text: str) -> str:
    r"""Return `text` with control and format characters as escapes such as `\x1b`; line ends and tabs stay.

    An escape sequence of a file's output could otherwise clear the screen, and a bidi override reverse a line.
    """
    if text.isascii() and text.replace("\n", "").replace("\t", "").isprintable():
        return text
    return "".join(_escaped(one) if _is_unseen(one) else one for one in text)


def one_line(text: str) -> str:
    """Return `visible(text)` without line ends and tabs, which would end a line or a cell."""
    return visible(" ".join(text.splitlines()).replace("\t", " "))


def _is_unseen(character: str) -> bool:
    return character not in _KEPT and unicodedata.category(character) in _UNSEEN


def _escaped(character: str) -> str:
    return repr(character)[1:-1] if character.isascii() else character.encode("ascii", "backslashreplace").decode()
