"""The plots of one submission: epsilon, margins, accuracies and times, and a histogram of rounded numbers.

`disclosure` decides who sees which of them, and when.
"""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from lethe.evaluator.metrics import Pool
from lethe.server.competitions.disclosure import SHARE_STEP, round_shares
from lethe.server.plots.drawing import ORACLE, PALE, UNLEARNED, Plot, draw, styled, to_svg

Floats = NDArray[np.float64]

BIN = 0.5
TOP_EPSILON = 20
"""Larger values of epsilon are drawn at the end of the axis, which says so."""
COARSE_BINS = 15
"""Of the rounded histogram, however large epsilon is: the last one includes all larger values."""
CHOSEN = ((0.1, "best tenth"), (0.5, "median"), (0.9, "worst tenth"))
"""Forget images by the share of all that have a smaller epsilon."""
PARTS = (("retain_accuracy", "retain"), ("test_accuracy", "test"), ("forget_accuracy", "forget"))


@dataclass(frozen=True, eq=False, kw_only=True)
class PlotData:
    """The numbers that the plots show.

    `epsilon`, `quality`: (E,) of the forget images; `run_wall_s`: (N,) seconds of each run;
    `retraining_wall_s`: (M,) of each oracle.
    """

    epsilon: Floats
    quality: Floats
    unlearned: Pool
    retrained: Pool
    run_wall_s: Floats
    retraining_wall_s: Floats


@styled
def submission_plots(data: PlotData) -> tuple[Plot, ...]:
    """Draw all plots of one scored submission, in the order in which a page shows them."""
    return (_epsilon_plot(data), _margin_plot(data), _accuracy_plot(data), _time_plot(data), _histogram_plot(data))


def _epsilon_plot(data: PlotData) -> Plot:
    """Draw a histogram of the forget images' epsilon, and the points that the rule pays for each."""
    figure, (axes,) = draw()
    top = max(BIN * 4, BIN * np.ceil((data.epsilon.max() + 1e-9) / BIN))
    edges = np.arange(0, min(top, TOP_EPSILON) + BIN, BIN)
    counts, _ = np.histogram(np.minimum(data.epsilon, edges[-1]), edges)
    axes.bar(edges[:-1], counts, width=BIN, align="edge", color=PALE, edgecolor=UNLEARNED, linewidth=0.8)
    axes.set(xlabel="epsilon of a forget image (0: the runs cannot be told from oracles)", ylabel="forget images")
    axes.set_xlim(0, edges[-1])
    if top > TOP_EPSILON:
        axes.set_xticks(range(0, TOP_EPSILON + 1, 5), [*map(str, range(0, TOP_EPSILON, 5)), f"≥ {TOP_EPSILON}"])
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    points = axes.twinx()  # made after the bars, so that the dots lie above them
    order = np.argsort(data.epsilon)
    points.plot(np.minimum(data.epsilon, edges[-1])[order], data.quality[order], ".", color=ORACLE, markersize=4)
    points.set(ylim=(0, 1.04), ylabel="points paid (dots)")
    points.grid(visible=False)
    points.spines["right"].set_visible(True)
    median = float(np.median(data.epsilon))
    paid = int((data.quality >= 0.5).sum())
    return Plot(
        "epsilon",
        "Distinguishability of the forget images",
        to_svg(figure),
        f"Histogram of epsilon over {len(data.epsilon)} forget images: median {median:.2f}, largest "
        f"{data.epsilon.max():.2f}. {paid} images earn half a point or more; the mean of the points is the "
        f"forgetting quality, {data.quality.mean():.3f}.",
    )


def _histogram_plot(data: PlotData) -> Plot:
    """Draw the shares of the forget images by epsilon, in steps that keep to a few bits what a file can write there."""
    figure, (axes,) = draw()
    bins = np.minimum(data.epsilon / BIN, COARSE_BINS - 1).astype(int)
    shares = round_shares(np.bincount(bins, minlength=COARSE_BINS).tolist())
    starts = [BIN * place for place in range(COARSE_BINS)]
    axes.bar(starts, shares, width=BIN, align="edge", color=PALE, edgecolor=UNLEARNED, linewidth=0.8)
    axes.set(xlabel="epsilon of a forget image; the last bar includes all larger values", ylabel="% of forget images")
    axes.set_xlim(0, BIN * COARSE_BINS)
    words = [
        f"{start:g} to {start + BIN:g}: {share}%" if start < starts[-1] else f"{start:g} or more: {share}%"
        for start, share in zip(starts, shares, strict=True)
        if share
    ]
    return Plot(
        "histogram",
        "Distinguishability of the forget images, rounded",
        to_svg(figure),
        f"Share of the forget images by epsilon, in steps of {SHARE_STEP}%. {', '.join(words)}.",
    )


def _margin_plot(data: PlotData) -> Plot:
    """Draw margins of runs and oracles on the forget images at which the best tenth ends, half, and nine tenths."""
    epsilon = data.epsilon
    order = np.argsort(epsilon, kind="stable")
    figure, panels = draw(columns=len(CHOSEN))
    sentences = []
    for axes, (quantile, name) in zip(panels, CHOSEN, strict=True):
        example = int(order[round(quantile * (len(order) - 1))])
        runs, oracles = data.unlearned.margins[:, example], data.retrained.margins[:, example]
        _densities(axes, runs, oracles)
        axes.set_title(f"{name}, ε = {epsilon[example]:.2f}", fontsize=9)
        sentences.append(
            f"{name} (epsilon {epsilon[example]:.2f}): runs {runs.mean():.1f} ± {runs.std():.1f}, oracles "
            f"{oracles.mean():.1f} ± {oracles.std():.1f}"
        )
    _legend(figure)
    return Plot(
        "margins",
        "Margins of unlearned runs against oracles",
        to_svg(figure),
        f"Margins, mean and standard deviation, on three forget images. {'; '.join(sentences)}.",
    )


def _densities(axes: Axes, runs: Floats, oracles: Floats) -> None:
    low, high = min(runs.min(), oracles.min()), max(runs.max(), oracles.max())
    room = max(0.05 * (high - low), 0.1)
    edges = [float(edge) for edge in np.linspace(low - room, high + room, 19)]
    for values, colour in ((oracles, ORACLE), (runs, UNLEARNED)):
        axes.hist(values, edges, density=True, histtype="stepfilled", facecolor=colour, alpha=0.25)
        axes.hist(values, edges, density=True, histtype="step", color=colour, linewidth=1.4)
    axes.set_yticks([])
    axes.set_xlabel("margin")
    axes.grid(visible=False)
    axes.spines["left"].set_visible(False)


def _accuracy_plot(data: PlotData) -> Plot:
    """Draw accuracies of all runs and oracles on the retain, test and forget sets."""
    figure, (axes,) = draw()
    sentences, labels = [], []
    for row, (field, part) in enumerate(PARTS):
        runs, oracles = getattr(data.unlearned, field), getattr(data.retrained, field)
        if runs is None or oracles is None:
            continue
        labels.append((row, part))
        for offset, values, colour in ((0.16, oracles, ORACLE), (-0.16, runs, UNLEARNED)):
            _strip(axes, values, row + offset, colour)
        sentences.append(f"{part}: runs {runs.mean():.3f}, oracles {oracles.mean():.3f}")
    axes.set_yticks([row for row, _ in labels], [part for _, part in labels])
    axes.set_ylim(len(PARTS) - 0.5, -0.5)
    axes.set(xlabel="accuracy (one mark a model; the long mark is the mean)", xlim=(0, 1.01))
    axes.grid(visible=True, axis="x")
    axes.grid(visible=False, axis="y")
    _legend(figure)
    return Plot(
        "accuracies",
        "Accuracies against the oracles'",
        to_svg(figure),
        f"Mean accuracies. {'; '.join(sentences)}.",
    )


def _time_plot(data: PlotData) -> Plot:
    """Draw the seconds of each run beside those of training an oracle from scratch."""
    figure, (axes,) = draw()
    runs, training = data.run_wall_s, data.retraining_wall_s
    for level, values, colour in ((0.0, training, ORACLE), (1.0, runs, UNLEARNED)):
        _strip(axes, values, level, colour)
    axes.set_yticks([0, 1], ["retraining", "a run"])
    axes.set_ylim(1.7, -0.7)
    axes.set_xlim(0, 1.05 * max(runs.max(), training.max()))
    axes.set_xlabel("seconds (one mark a model; the long mark is the mean)")
    axes.grid(visible=True, axis="x")
    axes.grid(visible=False, axis="y")
    share = runs.mean() / training.mean()
    return Plot(
        "times",
        "Time of a run against retraining",
        to_svg(figure),
        f"A run takes {runs.mean():.2f} s on average (longest {runs.max():.2f} s), training from scratch "
        f"{training.mean():.2f} s: {share:.0%} of retraining.",
    )


def _strip(axes: Axes, values: Floats, level: float, colour: str) -> None:
    axes.plot(values, np.full(len(values), level), "|", color=colour, markersize=9, markeredgewidth=1, alpha=0.55)
    axes.plot([values.mean()], [level], "|", color=colour, markersize=19, markeredgewidth=2.4)


def _legend(figure: Figure) -> None:
    handles = [
        Line2D([], [], marker="s", linestyle="", color=colour, label=label)
        for label, colour in (("oracles", ORACLE), ("unlearned", UNLEARNED))
    ]
    figure.legend(handles=handles, loc="outside upper left", ncols=2)
