"""The look of every plot, and its way into an SVG that follows the reader's light or dark screen."""

import io
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Light colours, which matplotlib draws with, and what they become on a dark screen. The pages' stylesheet has the same.
INK, MUTED, RULE = "#16262b", "#526469", "#dadfdb"
UNLEARNED, ORACLE, CEILING, PALE = "#11606d", "#8a5406", "#1c6a3c", "#dbe9e8"
_DARK = {
    INK: "#e2eae9",
    MUTED: "#98aaad",
    RULE: "#27373d",
    UNLEARNED: "#77c5cb",
    ORACLE: "#dcaa57",
    CEILING: "#84c79a",
    PALE: "#17323a",
}

_STYLE: dict[Any, object] = {
    "svg.fonttype": "none",  # text stays text: small files, sharp, readable by machines
    "svg.hashsalt": "lethe",  # the same data give the same bytes
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": RULE,
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "legend.labelcolor": INK,
}

HEIGHT_IN = 2.9
WIDTH_IN = 6.4


@dataclass(frozen=True)
class Plot:
    """One drawn plot: a stable name, a heading, the SVG, and in words what it shows."""

    name: str
    title: str
    svg: bytes
    text: str


styled = mpl.rc_context(_STYLE)
"""Decorates what draws, so that everything in it has the house style."""


def draw(columns: int = 1, *, height_in: float = HEIGHT_IN) -> tuple[Figure, list[Axes]]:
    """An empty figure with its axes, from left to right."""
    figure = Figure(figsize=(WIDTH_IN, height_in), layout="constrained")
    return figure, list(figure.subplots(1, columns, squeeze=False).flat)


def to_svg(figure: Figure) -> bytes:
    """The figure as a self-contained SVG without a background; equal figures give equal bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue().decode("utf-8")
    light, dark = [], []
    for number, (colour, night) in enumerate(_DARK.items()):
        text = text.replace(colour, f"var(--c{number})")
        light.append(f"--c{number}:{colour}")
        dark.append(f"--c{number}:{night}")
    palette = f"svg{{{';'.join(light)}}}@media (prefers-color-scheme:dark){{svg{{{';'.join(dark)}}}}}"
    return text.replace("<defs>", f"<style>{palette}</style>\n <defs>", 1).encode()
