"""The plot of all submissions, for hosts and, after the reveal, everybody: forgetting against utility."""

from collections.abc import Sequence
from dataclasses import dataclass

from lethe.server.plots.drawing import MUTED, UNLEARNED, Plot, draw, styled, to_svg

HEIGHT_IN = 4.2
DOTS = 3_000
NUMBERED = 10
"""Best dots that show the places of their teams, which the page lists beside the plot."""


@dataclass(frozen=True)
class Dot:
    """A scored submission; `place` is its team's on the board, counted from 1, where it is the team's best."""

    score: float
    forgetting: float
    utility: float
    place: int | None


@styled
def overview_plot(dots: Sequence[Dot]) -> Plot:
    """Draw the 3,000 best of `dots` (at least one, best score first), without names of teams."""
    words = _words(dots)
    dots = dots[:DOTS]
    figure, (axes,) = draw(height_in=HEIGHT_IN)
    others = [dot for dot in dots if dot.place is None]
    best = [dot for dot in dots if dot.place is not None]
    axes.plot(*_places(others), "o", markersize=3.5, color=MUTED, alpha=0.45, markeredgewidth=0, clip_on=False)
    axes.plot(*_places(best), "o", markersize=6, color=UNLEARNED, markeredgewidth=0, clip_on=False)
    for dot in best:
        if dot.place is not None and dot.place <= NUMBERED:
            axes.annotate(str(dot.place), (dot.forgetting, dot.utility), (5, 4), textcoords="offset points", fontsize=8)
    axes.set(xlabel="forgetting quality", ylabel="utility: retain × test accuracy over the oracles'")
    axes.margins(0.06)
    axes.set_xlim(left=min(0.0, *(dot.forgetting for dot in dots)))
    axes.grid(visible=True, axis="both")
    return Plot("overview", "Forgetting against utility", to_svg(figure), words)


def _places(dots: Sequence[Dot]) -> tuple[list[float], list[float]]:
    return [dot.forgetting for dot in dots], [dot.utility for dot in dots]


def _words(dots: Sequence[Dot]) -> str:
    top = dots[0]
    low, high = (pick(dot.utility for dot in dots) for pick in (min, max))
    most = max(dot.forgetting for dot in dots)
    count = f"{len(dots):,} scored submission{'' if len(dots) == 1 else 's'}"
    if len(dots) > DOTS:
        count = f"The best {DOTS:,} scored submissions are shown"
    return (
        f"{count}: forgetting quality up to {most:.4f}, utility from {low:.4f} to {high:.4f}. The best score, "
        f"{top.score:.4f}, has forgetting quality {top.forgetting:.4f} and utility {top.utility:.4f}."
    )
