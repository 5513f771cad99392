"""Stored plots, as a page embeds them and as a response."""

from dataclasses import dataclass

from fastapi import Request
from fastapi.responses import Response

from lethe.evaluator.artifacts import ArtifactMissing
from lethe.server.errors import NotFound
from lethe.server.pages.rendering import SECURITY_HEADERS, client_has
from lethe.server.plots.stored_plots import StoredPlot

# An SVG that is opened by itself may style itself, and do nothing else.
PICTURE_POLICY = {
    **SECURITY_HEADERS,
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
}


class PlotNotFound(NotFound):
    """There is no such plot, or not yet, or not for this visitor."""

    code = "plot_not_found"
    title = "No such plot"

    def __init__(self) -> None:
        super().__init__("There is no such plot, or not yet.")


@dataclass(frozen=True)
class PlotView:
    """A plot, and its meaning in words."""

    address: str
    title: str
    text: str


def plot_view(plot: StoredPlot, address: str) -> PlotView:
    """Return the plot at `address` with its version, under which browsers may cache it."""
    return PlotView(address=f"{address}?v={plot.svg.sha256[:12]}", title=plot.title, text=plot.text)


def plot_response(request: Request, plot: StoredPlot | None) -> Response:
    """Return the plot as an SVG; raises PlotNotFound if there is none, or if its file has just been replaced."""
    if plot is None:
        raise PlotNotFound
    tag = f'"{plot.svg.sha256[:32]}"'
    headers = {**PICTURE_POLICY, "ETag": tag, "Cache-Control": "private, max-age=3600", "Vary": "Cookie"}
    if client_has(request, tag):
        return Response(status_code=304, headers=headers)
    try:
        svg = request.app.state.context.artifacts.get(plot.svg)
    except ArtifactMissing as error:
        raise PlotNotFound from error
    return Response(svg, media_type="image/svg+xml", headers=headers)
