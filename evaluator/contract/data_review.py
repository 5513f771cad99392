"""What a host is told of photographs before they are trusted: warnings, and the facts of a report."""

from pydantic import Field

from lethe.evaluator.contract.base import Contract
from lethe.evaluator.contract.prepared_competition import Counts


class DataWarning(Contract):
    """One reason to look again; `names` are all files, people or classes that it is about, the text has the first."""

    code: str
    text: str
    names: tuple[str, ...] = ()


class Bar(Contract):
    """One bar of a histogram."""

    name: str
    count: int


class Pair(Contract):
    """Two photographs of different identities that are nearly the same; pictures are PNG files."""

    names: tuple[str, str]
    people: tuple[str, str]
    pictures: tuple[bytes, bytes]


class DataReview(Contract):
    """The photographs of a source as far as they were read, those for practice included."""

    source: str
    images: int
    identities: int
    image_size: int
    skipped: tuple[str, ...] = Field(description="Files that were left out, each with its reason")
    warnings: tuple[DataWarning, ...]
    per_class: tuple[Bar, ...]
    per_person: tuple[Bar, ...] = Field(description="How many people have so many photographs")
    sizes: tuple[Bar, ...] = Field(
        description="Photographs by the shorter side of their files; empty if there are none"
    )
    near_duplicates: tuple[Pair, ...]
    contact_sheet: bytes = Field(description="PNG; one row for each class or person")
    splits: dict[str, Counts] = Field(description="Empty if the data could not be split")
    needed_bytes: int | None = Field(
        description="Bytes that data and oracles need; None if the data could not be split"
    )
