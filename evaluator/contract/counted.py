"""Counts in words, with the noun in its right number."""


def count_text(count: int, singular: str, plural: str | None = None) -> str:
    """Return `1 team` or `1,200 teams`."""
    return f"{count:,} {singular if count == 1 else plural or singular + 's'}"
