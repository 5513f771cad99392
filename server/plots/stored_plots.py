"""Plots as the database stores them, for pages that must not import the drawing library."""

from typing import Any

from pydantic import BaseModel

from lethe.evaluator.contract.prepared_competition import ArtifactRef


class StoredPlot(BaseModel, frozen=True):
    """A drawn plot: a stable name, a heading, a description in words, and the reference of its SVG."""

    name: str
    title: str
    text: str
    svg: ArtifactRef


def stored_plots(stored: list[Any] | None) -> tuple[StoredPlot, ...]:
    """Return the plots of a score's row; empty while they are not drawn."""
    return tuple(StoredPlot.model_validate(one) for one in stored or ())


def stored_plot(stored: dict[str, Any] | None) -> StoredPlot | None:
    """Return the plot of a row, or None."""
    return StoredPlot.model_validate(stored) if stored else None
