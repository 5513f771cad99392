"""The list of error codes, as values for its template."""

from dataclasses import dataclass

from lethe.evaluator.contract.fault_texts import FAULT_TEXTS
from lethe.server.pages.formatting import Fact


@dataclass(frozen=True)
class ErrorsPage:
    """The codes of submissions without a score, each with what to do about it."""

    codes: tuple[Fact, ...]


def errors_page() -> ErrorsPage:
    """Return the values of the page."""
    return ErrorsPage(tuple(Fact(code.value, text) for code, text in FAULT_TEXTS.items()))
