"""Named warnings: what a host should know about a pool or a score before trusting it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ScoreFinding:
    """A stable `code` to match on and a sentence for people."""

    code: str
    message: str
