"""The plot of a check on practice data: accuracies over optimiser steps, epsilon and margins of the forget images."""

import io
from collections.abc import Callable
from functools import partial
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from lethe.evaluator.contract.curves import CURVE_PARTS, Curve
from lethe.evaluator.contract.practice_score import ScoredPractice
from lethe.server.plots.drawing import CEILING, ORACLE, PALE, UNLEARNED, draw, styled, to_svg
from lethe.server.plots.submission import BIN

LINES = {"retain": (UNLEARNED, "-"), "forget": (ORACLE, "--"), "test": (CEILING, ":")}
LARGEST = 20.0
"""Larger values of epsilon are drawn here."""
PANEL_IN = 4.2
PNG_DPI = 160


@styled
def check_plot(curve: Curve | None, score: ScoredPractice | None, file_type: Literal["png", "svg"]) -> bytes | None:
    """Return the plot as a file: one panel for the curve, two for the score; None without either."""
    panels: list[Callable[[Axes], None]] = []
    if curve is not None:
        panels.append(partial(_draw_curve, curve))
    if score is not None:
        panels += [partial(_draw_epsilon, score), partial(_draw_margins, score)]
    if not panels:
        return None
    figure, axes = draw(len(panels))
    figure.set_figwidth(PANEL_IN * max(len(panels), 1.5))
    for one, draw_panel in zip(axes, panels, strict=True):
        draw_panel(one)
    if file_type == "svg":
        return to_svg(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=PNG_DPI, metadata={"Software": None})
    return buffer.getvalue()


def _draw_curve(curve: Curve, axes: Axes) -> None:
    steps = [point.step for point in curve.points]
    for part in CURVE_PARTS:
        colour, style = LINES[part]
        values = [getattr(point, part) for point in curve.points]
        axes.plot(steps, values, style, color=colour, marker=".", label=part)
    axes.set(xlabel="optimiser steps", ylabel="accuracy on practice data", ylim=(0, 1.02))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend()


def _draw_epsilon(score: ScoredPractice, axes: Axes) -> None:
    epsilon = np.minimum(score.epsilon, LARGEST)
    edges = np.arange(0, max(4 * BIN, BIN * np.ceil((epsilon.max() + 1e-9) / BIN)) + BIN, BIN)
    axes.hist(epsilon, edges.tolist(), facecolor=PALE, edgecolor=UNLEARNED, linewidth=0.8)
    axes.set(xlabel="epsilon of a forget image", ylabel="forget images")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_title(f"practice score {score.score:.4f}, F {score.forgetting_quality:.4f}", fontsize=9)


def _draw_margins(score: ScoredPractice, axes: Axes) -> None:
    """Draw the mean margin of the runs on each forget image against that of the oracles; on the line they agree."""
    low, high = min(*score.margins, *score.oracle_margins), max(*score.margins, *score.oracle_margins)
    axes.plot([low, high], [low, high], "-", color=ORACLE, linewidth=1)
    axes.plot(score.oracle_margins, score.margins, ".", color=UNLEARNED, alpha=0.7)
    axes.set(xlabel="margin of the oracles", ylabel="margin of the runs")
    axes.grid(visible=True, axis="both")
