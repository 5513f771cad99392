"""All measures of some outputs at once, and the document in which they are stored."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from lethe.evaluator.measures.inputs import MeasureInputs
from lethe.evaluator.measures.registry import MEASURES_VERSION, Measurement, Value, measures


@dataclass(frozen=True)
class Measurements:
    """What was measured, by the names of the measures; of which `version` of them."""

    version: int
    measures: dict[str, Measurement]

    @property
    def is_complete(self) -> bool:
        """Whether every measure of this version has been tried."""
        return self.version == MEASURES_VERSION and self.measures.keys() >= measures().keys()

    @property
    def values(self) -> dict[str, Value]:
        """All values by key, of the measures that are not absent."""
        return {key: value for one in self.measures.values() for key, value in one.values.items()}


_DOCUMENTS = TypeAdapter(Measurements)


def measure_inputs(
    inputs: MeasureInputs,
    names: Iterable[str] | None = None,
    *,
    intervals: bool = True,
    report: Callable[[str], None] = lambda _: None,
) -> Measurements:
    """Return these measures of the inputs, by default all of them; `report` gets the name of each before it begins."""
    known = measures()
    found = {}
    for name in known if names is None else names:
        report(name)
        found[name] = known[name].of(inputs, intervals=intervals)
    return Measurements(MEASURES_VERSION, found)


def as_document(found: Measurements) -> dict[str, Any]:
    """Return measurements as JSON has them."""
    document: dict[str, Any] = _DOCUMENTS.dump_python(found, mode="json")
    return document


def from_document(document: dict[str, Any] | None) -> Measurements:
    """Return the measurements of a document; without one, measurements of nothing."""
    return Measurements(0, {}) if document is None else _DOCUMENTS.validate_python(document)
