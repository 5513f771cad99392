"""Plots as the database names them: what a page needs to show them, without the library that drew them."""

from typing import Any

from pydantic import BaseModel

from evaluator.contract.prepared_competition import ArtifactRef


class StoredPlot(BaseModel, frozen=True):
    """A drawn plot: a stable name, a heading, in words what it shows, and where its SVG lies."""

    name: str
    title: str
    text: str
    svg: ArtifactRef


def stored_plots(stored: list[Any] | None) -> tuple[StoredPlot, ...]:
    """What a score's row says of its plots; nothing while they are not drawn."""
    return tuple(StoredPlot.model_validate(one) for one in stored or ())


def stored_plot(stored: dict[str, Any] | None) -> StoredPlot | None:
    """The one plot that a row holds, or None where there is none."""
    return StoredPlot.model_validate(stored) if stored else None
