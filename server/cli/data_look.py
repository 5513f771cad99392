"""What `competition create` says of the data: warnings as soon as they are read, and the report."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from lethe.evaluator.contract.data_review import DataReview, DataWarning
from lethe.evaluator.contract.specification import CompetitionSpec
from lethe.server.hosting.creation import Created
from lethe.server.hosting.creation_warnings import figure_warnings
from lethe.server.hosting.data_report import render_report, require_writable, write_report

if TYPE_CHECKING:
    from lethe.evaluator.data.review import Review


class DataLook:
    """Prints the warnings of data on stderr, and writes the report to `report` if there is to be one.

    Raises ConfigurationError if it cannot be written there.
    """

    def __init__(self, spec: CompetitionSpec, report: Path | None) -> None:
        self._spec = spec
        self._report = report
        self._review: Review | None = None
        if report is not None:
            require_writable(report)

    def look(self, review: "Review") -> None:
        """Take what was read, and print its warnings."""
        self._review = review
        for warning in review.warnings:
            typer.echo(f"warning: {warning.text}", err=True)
        if review.model_s is not None:
            typer.echo(f"training a model will take about {review.model_s:,.0f} s on one core", err=True)

    def refused(self, error: Exception) -> None:
        """Write the report of data from which no competition was made."""
        if self._report is not None:
            page = render_report(self._spec, self._drawn(), warnings=self._warnings(), refusal=str(error))
            write_report(self._report, page)

    def finish(self, created: Created) -> tuple[DataWarning, ...]:
        """Write the report, and return all warnings, those of the first models included."""
        warnings = (*self._warnings(), *figure_warnings(created.spec, created.prepared))
        if self._report is not None:
            page = render_report(self._spec, self._drawn(), prepared=created.prepared, warnings=warnings)
            write_report(self._report, page)
        return warnings

    def _warnings(self) -> tuple[DataWarning, ...]:
        return () if self._review is None else self._review.warnings

    def _drawn(self) -> DataReview | None:
        from lethe.evaluator.data.review_pictures import draw_review

        return None if self._review is None else draw_review(self._review)
