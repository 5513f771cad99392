"""Forgetting against utility of the best submissions, drawn in places of percent, so that text keeps its size."""

from collections.abc import Sequence
from dataclasses import dataclass

from lethe.server.competitions.disclosure import round_score
from lethe.server.leaderboard.score_queries import AnalysedScore
from lethe.server.pages.formatting import score_text
from lethe.server.pages.scale import Scale, Tick, scale_for

DRAWN = 100
"""Best submissions of teams, which the page's weight allows; the picture of control has up to 3,000 of all."""
LEVELS = (0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)
CURVE_POINTS = 24
LEFT, BOTTOM = 9.0, 12.0
"""Percent of the drawing for the labels of the axes."""
NEAR = 4.0
"""Labels nearer than so many percent to one that stands already are left out."""


@dataclass(frozen=True)
class Point:
    """A submission's place; `rank` is that of the board, empty for a baseline, `label` what stands beside the dot."""

    x: float
    y: float
    rank: str
    label: str
    href: str
    words: str


@dataclass(frozen=True)
class Level:
    """A curve of equal score as the points of a polyline in a square of 100, and where its label stands."""

    label: str
    points: str
    x: float
    y: float


@dataclass(frozen=True)
class Drawing:
    """The whole drawing; `ceiling` is the place of the second pool of oracles."""

    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    levels: tuple[Level, ...]
    points: tuple[Point, ...]
    ceiling: tuple[float, float] | None
    words: str


@dataclass(frozen=True)
class _Axes:
    across: Scale
    up: Scale

    def x(self, value: float) -> float:
        return round(LEFT + self.across.x(value) * (100 - LEFT) / 100, 2)

    def y(self, value: float) -> float:
        return round((100 - self.up.x(value)) * (100 - BOTTOM) / 100, 2)


def draw_analysis(
    scores: Sequence[AnalysedScore], ceiling: tuple[float, float] | None, addresses: dict[str, str]
) -> Drawing | None:
    """Return the drawing of `scores`, best first, or None without any; numbers are rounded as everybody may see them.

    `ceiling`: forgetting quality and utility of other oracles. `addresses`: of the pages of those submissions that the
    visitor may open, by id.
    """
    if not scores:
        return None
    places = [(round_score(one.forgetting_quality), round_score(one.retain_ratio * one.test_ratio)) for one in scores]
    places = places[:DRAWN]
    shown = [*places, *([] if ceiling is None else [ceiling])]
    axes = _Axes(scale_for(x for x, _ in shown), scale_for(y for _, y in shown))
    best = scores[0]
    return Drawing(
        x_ticks=tuple(Tick(axes.x(tick), f"{tick:g}") for tick in _ticks(axes.across)),
        y_ticks=tuple(Tick(axes.y(tick), f"{tick:g}") for tick in _ticks(axes.up)),
        levels=_levels(axes),
        points=_points(scores, places, axes, addresses),
        ceiling=None if ceiling is None else (axes.x(ceiling[0]), axes.y(ceiling[1])),
        words=(
            f"{len(places)} best submissions by forgetting quality and utility. "
            f"The best score, {score_text(round_score(best.final_score))}, has forgetting quality "
            f"{score_text(places[0][0])} and utility {score_text(places[0][1])}"
        ),
    )


def _ticks(scale: Scale) -> list[float]:
    return [float(tick.label) for tick in scale.ticks]


def _levels(axes: _Axes) -> tuple[Level, ...]:
    """Return the curves on which forgetting quality times utility is the same."""
    found = []
    for level in LEVELS:
        start = max(level / axes.up.high, axes.across.low, 1e-6)
        if level <= 0 or start >= axes.across.high:
            continue
        growth = (axes.across.high / start) ** (1 / CURVE_POINTS)
        values = [start * growth**step for step in range(CURVE_POINTS + 1)]
        points = [(axes.x(value), axes.y(level / value)) for value in values]
        found.append(Level(f"{level:g}", " ".join(f"{x},{y}" for x, y in points), *points[-1]))
    return tuple(found)


def _points(
    scores: Sequence[AnalysedScore], places: Sequence[tuple[float, float]], axes: _Axes, addresses: dict[str, str]
) -> tuple[Point, ...]:
    points: list[Point] = []
    for one, (forgetting, utility) in zip(scores, places, strict=False):
        x, y = axes.x(forgetting), axes.y(utility)
        rank = "" if one.rank is None else str(one.rank)
        is_free = all(abs(x - other.x) > NEAR or abs(y - other.y) > NEAR for other in points if other.label)
        words = (
            f"{f'Rank {rank}, ' if rank else ''}{one.team}: {one.filename}, {score_text(round_score(one.final_score))}"
        )
        points.append(Point(x, y, rank, rank if is_free else "", addresses.get(str(one.submission_id), ""), words))
    return tuple(points)
