"""How many batches the loaders of a submission have, on practice data and in hidden runs."""

from dataclasses import dataclass
from typing import Protocol

PARTS = ("retain", "forget", "validation")


class VisibleCounts(Protocol):
    """Images on each side that a submission sees."""

    @property
    def retain(self) -> int: ...

    @property
    def forget(self) -> int: ...

    @property
    def validation(self) -> int: ...


@dataclass(frozen=True)
class ImageCounts:
    """`VisibleCounts` of data that were counted just now."""

    retain: int
    forget: int
    validation: int


def batch_note(practice: VisibleCounts | None, hidden: VisibleCounts, batch_size: int) -> str:
    """Return a sentence on both numbers of batches of each part; empty where they agree, or practice is not known."""
    if practice is None:
        return ""
    here, later = batches(practice, batch_size), batches(hidden, batch_size)
    return "" if here == later else f"Batches on practice data: {here}; in hidden runs: {later}."


def batches(counts: VisibleCounts, batch_size: int) -> str:
    """Return the numbers of batches as `retain 11, forget 2, validation 2`."""
    return ", ".join(f"{part} {-(-getattr(counts, part) // batch_size)}" for part in PARTS)
