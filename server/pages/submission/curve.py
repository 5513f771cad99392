"""The curve of a check as values for the submission's page: lines and dots in percent of the drawing, and in words."""

from dataclasses import dataclass
from itertools import pairwise

from lethe.evaluator.contract.curves import CURVE_PARTS, Curve
from lethe.server.pages.formatting import count_text, curve_text
from lethe.server.pages.scale import Tick, scale_for

TOP, BOTTOM = 6.0, 84.0
"""Percent of the height at which 1 and 0 are; below are the numbers of the horizontal scale."""
LEFT = 10.0
"""Percent of the width where the numbers of the vertical scale are written."""
LEVELS = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class CurveLine:
    """One part: `dots` are places (x, y), `pieces` the lines (x1, y1, x2, y2) between them."""

    part: str
    dots: tuple[tuple[float, float], ...]
    pieces: tuple[tuple[float, float, float, float], ...]


@dataclass(frozen=True)
class CurveDrawing:
    """Accuracies over steps, right of `left`; `levels` are accuracies with their height, `rows` are for a table."""

    left: float
    lines: tuple[CurveLine, ...]
    levels: tuple[tuple[str, float], ...]
    ticks: tuple[Tick, ...]
    rows: tuple[tuple[str, ...], ...]
    images: str
    alternative: str


def curve_drawing(curve: Curve) -> CurveDrawing:
    """Return the drawing of `curve`; the horizontal scale ends at the first round number after its last step."""
    scale = scale_for(float(point.step) for point in curve.points)
    text = curve_text(curve)
    lines = []
    for part in CURVE_PARTS:
        dots = tuple((x_of(scale.x(point.step)), y_of(getattr(point, part))) for point in curve.points)
        lines.append(CurveLine(part, dots, tuple((*start, *end) for start, end in pairwise(dots))))
    ticks = [Tick(x_of(tick.x), tick.label) for tick in scale.ticks if float(tick.label).is_integer()]
    return CurveDrawing(
        left=LEFT,
        lines=tuple(lines),
        levels=tuple((f"{level:g}", y_of(level)) for level in LEVELS),
        ticks=tuple(ticks),
        rows=tuple(
            (f"{point.step:,}", *(f"{getattr(point, part):.2f}" for part in CURVE_PARTS)) for point in curve.points
        ),
        images=count_text(curve.images, "image"),
        alternative=text[:1].upper() + text[1:],
    )


def x_of(percent: float) -> float:
    """Return where `percent` of the drawn width is, right of the numbers."""
    return round(LEFT + percent * (100 - LEFT) / 100, 2)


def y_of(share: float) -> float:
    """Return where `share` in [0, 1] of the drawn height is."""
    return round(BOTTOM + share * (TOP - BOTTOM), 2)
