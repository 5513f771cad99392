"""The practice score of a check as values for the submission's page: in words, and two histograms in percent."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from lethe.evaluator.contract.practice_score import EPSILON_BIN, ScoredPractice, count_epsilon
from lethe.server.pages.formatting import count_text, score_text
from lethe.server.pages.scale import Scale, Tick, scale_for
from lethe.server.pages.submission.curve import LEFT, x_of, y_of

MOST_EPSILON_BINS = 20
BINS_PER_TICK = 2
"""Of margins."""
GAP = 0.15
"""Share of a bin that is left free."""


@dataclass(frozen=True)
class Bar:
    """A rectangle in percent of the drawing."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Histogram:
    """Numbers of forget images by a value: `series` are names with their bars, `rows` are for a table."""

    left: float
    series: tuple[tuple[str, tuple[Bar, ...]], ...]
    levels: tuple[tuple[str, float], ...]
    ticks: tuple[Tick, ...]
    rows: tuple[tuple[str, ...], ...]
    alternative: str


@dataclass(frozen=True)
class PracticeBox:
    """A practice score in words, and its drawings."""

    score: str
    interval: str
    parts: str
    basis: str
    epsilon: Histogram
    margins: Histogram


def practice_box(found: ScoredPractice) -> PracticeBox:
    """Return the practice score as the page shows it."""
    return PracticeBox(
        score=score_text(found.score),
        interval=f"{score_text(found.low)} to {score_text(found.high)}",
        parts=f"forgetting quality {score_text(found.forgetting_quality)} × retain {found.retain_ratio:.3f} × test "
        f"{found.test_ratio:.3f}",
        basis=f"{count_text(found.runs, 'run')} against {found.oracles} practice oracles, rule {found.rule}, on other "
        "people than those of the hidden data: a rough sign only.",
        epsilon=_epsilon(found.epsilon),
        margins=_margins(found),
    )


def _epsilon(values: Sequence[float]) -> Histogram:
    counts = count_epsilon(values, MOST_EPSILON_BINS)
    edges = [EPSILON_BIN * place for place in range(len(counts) + 1)]
    names = [f"{start:.1f} to {start + EPSILON_BIN:.1f}" for start in edges[:-1]]
    if max(values) >= edges[-1]:
        names[-1] = f"{edges[-2]:.1f} or more"
    told = ", ".join(f"{name}: {count}" for name, count in zip(names, counts, strict=True) if count)
    return _histogram(
        edges,
        {"images": counts},
        scale_for([edges[-1]]),
        names,
        f"Epsilon of {count_text(len(values), 'forget image')}, by how many have it: {told}",
    )


def _margins(found: ScoredPractice) -> Histogram:
    scale = scale_for([*found.margins, *found.oracle_margins])
    bins = BINS_PER_TICK * (len(scale.ticks) - 1)
    width = (scale.high - scale.low) / bins
    edges = [scale.low + width * place for place in range(bins + 1)]

    def counts(values: Sequence[float]) -> tuple[int, ...]:
        places = [min(int((value - scale.low) / width), bins - 1) for value in values]
        return tuple(places.count(place) for place in range(bins))

    return _histogram(
        edges,
        {"runs": counts(found.margins), "oracles": counts(found.oracle_margins)},
        scale,
        [f"{_short(start)} to {_short(start + width)}" for start in edges[:-1]],
        f"Mean margins on {count_text(len(found.margins), 'forget image')}, on average: runs "
        f"{fmean(found.margins):.2f}, oracles {fmean(found.oracle_margins):.2f}",
    )


def _histogram(
    edges: Sequence[float],
    counts: dict[str, tuple[int, ...]],
    scale: Scale,
    names: Sequence[str],
    alternative: str,
) -> Histogram:
    """Return bars of each series side by side in each bin; the height ends at the first round number above them."""
    heights = scale_for(float(count) for of_one in counts.values() for count in of_one)
    series = []
    for place, (name, of_one) in enumerate(counts.items()):
        bars = []
        for start, end, count in zip(edges, edges[1:], of_one, strict=False):
            left, whole = x_of(scale.x(start)), x_of(scale.x(end)) - x_of(scale.x(start))
            width = whole * (1 - GAP) / len(counts)
            top = y_of(count / heights.high)
            x = left + whole * GAP / 2 + width * place
            bars.append(Bar(round(x, 2), top, round(width, 2), round(y_of(0) - top, 2)))
        series.append((name, tuple(bars)))
    return Histogram(
        left=LEFT,
        series=tuple(series),
        levels=tuple(
            (f"{float(tick.label):,.0f}", y_of(float(tick.label) / heights.high))
            for tick in heights.ticks
            if float(tick.label).is_integer()
        ),
        ticks=tuple(Tick(x_of(tick.x), tick.label) for tick in scale.ticks),
        rows=tuple((name, *(f"{of_one[row]:,}" for of_one in counts.values())) for row, name in enumerate(names)),
        alternative=alternative,
    )


def _short(edge: float) -> str:
    """Return an edge without the digits that rounding left, and zero without a sign."""
    return f"{round(edge, 6) + 0.0:g}"
