"""Plots that control has drawn, as a page embeds them and as they are sent."""

from dataclasses import dataclass

from fastapi import Request
from fastapi.responses import Response

from evaluator.artifacts import ArtifactMissing
from server.errors import NotFound
from server.pages import texts
from server.pages.rendering import SECURITY_HEADERS, is_known
from server.plots.stored_plots import StoredPlot

# A picture that is opened by itself may colour itself, and do nothing else.
PICTURE_POLICY = {
    **SECURITY_HEADERS,
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
}


class PlotNotFound(NotFound):
    """There is no such plot, or not yet, or not for this visitor."""

    code = "plot_not_found"
    title = texts.NO_SUCH_PLOT


@dataclass(frozen=True)
class PlotView:
    """A plot, with in words what it shows."""

    address: str
    title: str
    text: str


def plot_view(plot: StoredPlot, address: str) -> PlotView:
    """The plot at `address`, which gets the version that lets browsers keep it."""
    return PlotView(address=f"{address}?v={plot.svg.sha256[:12]}", title=plot.title, text=plot.text)


def picture(request: Request, plot: StoredPlot | None) -> Response:
    """The plot as an SVG; raises PlotNotFound without one, and when it has just been drawn again."""
    if plot is None:
        raise PlotNotFound(texts.PLOT_MISSING)
    tag = f'"{plot.svg.sha256[:32]}"'
    headers = {**PICTURE_POLICY, "ETag": tag, "Cache-Control": "private, max-age=3600", "Vary": "Cookie"}
    if is_known(request, tag):
        return Response(status_code=304, headers=headers)
    try:
        svg = request.app.state.context.artifacts.get(plot.svg)
    except ArtifactMissing as error:
        raise PlotNotFound(texts.PLOT_MISSING) from error
    return Response(svg, media_type="image/svg+xml", headers=headers)
