"""Small values that several pages show."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Fact:
    """A term and what it is here."""

    term: str
    value: str
