"""Names of people that look alike: one person in two spellings would be on both sides of the split."""

import unicodedata
from collections.abc import Iterable

from lethe.evaluator.data.sources.decoding import Unusable

REASON = (
    "one identity in two spellings, which differ only in case, spaces or what nobody sees: write it alike, or call two "
    "people by names that can be told apart"
)


def name_key(identity: str) -> str:
    """What is alike for names that look alike: compatible forms of letters (NFKC), no case, no invisible characters,
    and one space where there are several.
    """
    plain = unicodedata.normalize("NFKC", identity)
    seen = "".join(one for one in plain if one.isspace() or unicodedata.category(one) not in {"Cf", "Cc"})
    return " ".join(seen.split()).casefold()


def spelt_twice(identities: Iterable[tuple[str, str]]) -> list[tuple[str, Unusable]]:
    """The first places with two spellings of one name, given as (place, identity): `line 2 ('Ann') and …`."""
    first: dict[str, tuple[str, str]] = {}
    wrong: dict[tuple[str, str], tuple[str, Unusable]] = {}
    for place, identity in identities:
        where, before = first.setdefault(name_key(identity), (place, identity))
        if before != identity and (before, identity) not in wrong:
            wrong[before, identity] = (f"{where} ({before!r}) and {place} ({identity!r})", Unusable(REASON))
    return list(wrong.values())
