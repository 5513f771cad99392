"""The plot of a comparison of methods: forgetting quality against utility, with intervals and the Pareto front."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from lethe.evaluator.measures.registry import Value
from lethe.server.plots.drawing import CEILING, MUTED, ORACLE, UNLEARNED, Plot, draw, styled, to_svg

HEIGHT_IN = 4.2
_REFERENCES = {"ceiling": CEILING, "floor": ORACLE}


@dataclass(frozen=True)
class Point:
    """A method or a reference (`ceiling`, `floor`) with its two values; what has no interval is drawn without one."""

    name: str
    forgetting: Value
    utility: Value
    is_reference: bool = False


@styled
def pareto_plot(points: Sequence[Point]) -> Plot:
    """Draw the points (at least one) with their 95% intervals, and a line through the front of the methods."""
    best = front(points)
    figure, (axes,) = draw(height_in=HEIGHT_IN)
    places = [[point.forgetting.value for point in best], [point.utility.value for point in best]]
    axes.plot(*places, drawstyle="steps-pre", color=UNLEARNED, linewidth=1, alpha=0.5, zorder=1)
    for point in points:
        _draw_point(axes, point, is_best=point in best)
    axes.set(xlabel="forgetting quality", ylabel="utility: retain × test accuracy over the oracles'")
    axes.margins(0.08)
    axes.grid(visible=True, axis="both")
    return Plot("pareto", "Forgetting against utility", to_svg(figure), _words(best))


def front(points: Sequence[Point]) -> list[Point]:
    """Return the methods that no other method beats in one value and equals in the other, by rising forgetting."""
    methods = [point for point in points if not point.is_reference]
    ordered = sorted(methods, key=lambda point: (point.forgetting.value, point.utility.value))
    return [point for point in ordered if not any(_dominates(other, point) for other in methods)]


def _dominates(one: Point, other: Point) -> bool:
    ours = (one.forgetting.value, one.utility.value)
    theirs = (other.forgetting.value, other.utility.value)
    return ours != theirs and all(mine >= its for mine, its in zip(ours, theirs, strict=True))


def _draw_point(axes: Axes, point: Point, *, is_best: bool) -> None:
    colour = _REFERENCES.get(point.name, MUTED) if point.is_reference else UNLEARNED if is_best else MUTED
    x, y = point.forgetting.value, point.utility.value
    axes.errorbar(
        x, y,
        xerr=_lengths(point.forgetting), yerr=_lengths(point.utility),
        fmt="s" if point.is_reference else "o", markersize=5, color=colour, elinewidth=0.8, capsize=2,
    )  # fmt: skip
    axes.annotate(point.name, (x, y), (5, 4), textcoords="offset points", fontsize=8, parse_math=False)


def _lengths(value: Value) -> list[list[float]] | None:
    if value.low is None or value.high is None:
        return None
    return [[max(0.0, value.value - value.low)], [max(0.0, value.high - value.value)]]


def _words(best: Sequence[Point]) -> str:
    if not best:
        return "Forgetting quality against utility of the references; no method has a score."
    listed = ", ".join(
        f"{point.name} ({point.forgetting.value:.3f}, {point.utility.value:.3f})" for point in reversed(best)
    )
    return (
        "Forgetting quality against utility, with 95% intervals. No other method has more of one without less of the "
        f"other than: {listed}."
    )
