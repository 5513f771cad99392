"""Text of a guest is written out where it could do anything but be read."""

import pytest

from lethe.sandbox.harmless_text import harmless


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Grüße, 世界 🎉\n\tone\r\n", "Grüße, 世界 🎉\n\tone\r\n"),
        ("a\0b", "a\\x00b"),
        ("\x1b[31mred\x1b]0;title\x07", "\\x1b[31mred\\x1b]0;title\\x07"),
        ("\x9b2J\x7f", "\\x9b2J\\x7f"),
        ("abc\u202edcba", "abc\\u202edcba"),
        ("\u2066x\u2069\u200f\u2028", "\\u2066x\\u2069\\u200f\\u2028"),
        ("\ud800", "\\ud800"),
        ("<script>", "<script>"),
    ],
)
def test_harmless(text: str, expected: str) -> None:
    assert harmless(text) == expected
    assert harmless(expected) == expected
    expected.encode()
