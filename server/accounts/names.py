"""Names of people and teams: how they are written, and which two look the same."""

import unicodedata
from functools import cache
from typing import Any

SKELETON_CHARS = 160
# Default_Ignorable_Code_Point of Unicode: nothing shows where they stand.
_IGNORABLE = (
    (0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F),
    (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
)  # fmt: skip
_BLANK = "\u2800"
"""The Braille pattern without dots is a symbol to Unicode, and a space to the eye."""


def is_ignorable(character: str) -> bool:
    """Return whether Unicode says that nothing shows where the character stands."""
    return any(first <= ord(character) <= last for first, last in _IGNORABLE)


def tidy_name(name: Any) -> Any:
    """Return a name without ignorable characters, and with single spaces between its words; no text stays as it is.

    Control and format characters stay, so that they are refused: nobody writes them by accident.
    """
    if not isinstance(name, str):
        return name
    seen = (one for one in name if not is_ignorable(one) or unicodedata.category(one).startswith("C"))
    words = "".join(" " if one == _BLANK or unicodedata.category(one) == "Zs" else one for one in seen)
    return " ".join(part for part in words.split(" ") if part)


def skeleton(name: str) -> str:
    """Return what a name looks like: the skeleton of UTS 39 after NFKC, in lower case. Equal ones look the same.

    `Аlice` with a Cyrillic А, `AIice` with a capital I and `alice` have one.
    """
    decomposed = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", name))
    prototypes = _prototypes()
    replaced = "".join(prototypes.get(one, one) for one in _seen(decomposed))
    return unicodedata.normalize("NFD", replaced).casefold()


@cache
def _prototypes() -> dict[str, str]:
    """Return what each character that looks like others is replaced by: Unicode's confusables.txt.

    The library lists each pair in both directions, some with marks of direction. The prototype of a group is its
    sequence of characters, or else the character with the most others.
    """
    from confusable_homoglyphs.confusables import confusables_data

    others = {_seen(key): [_seen(entry["c"]) for entry in entries] for key, entries in confusables_data.items()}

    def rank(text: str) -> tuple[int, int, str]:
        return -len(text), -len(others.get(text, ())), text

    nearest = {key: min([key, *similar], key=rank) for key, similar in others.items() if len(key) == 1}
    return {key: "".join(nearest.get(one, one) for one in target) for key, target in nearest.items() if key != target}


def _seen(text: str) -> str:
    return "".join(one for one in text if not is_ignorable(one))
