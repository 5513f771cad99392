"""Makes a guest's text safe to store and show: databases reject some characters, and terminals obey some."""

import re

# Control characters but tab, line feed and carriage return; marks that reorder what is read; line separators that only
# some programs know; halves of surrogate pairs, which cannot be encoded.
_HARMFUL = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]"
)


def harmless(text: str) -> str:
    """`text` with harmful characters escaped: a NUL byte becomes the four characters `\\x00`."""
    return _HARMFUL.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)
