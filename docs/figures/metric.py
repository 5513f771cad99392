"""Draws the figures of docs/metric.md beside this file and prints the table that they show.

python docs/figures/metric.py
"""

import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lethe.evaluator.metrics import Rule, epsilon, exact_epsilon, forgetting_quality
from lethe.evaluator.metrics.exact import clopper_pearson

FOLDER = Path(__file__).parent
Values = NDArray[np.float64]
N = 64
RUNS = (32, 64, 512)
EXAMPLES = 200
SHIFTS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
SPREADS = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
ORACLE, UNLEARNED, REGION = "#30638e", "#d1495b", "#edae49"
BACKGROUND = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 1}
SHADES = {32: "#9ecae1", 64: "#4292c6", 512: "#08306b"}

mpl.use("Agg")
mpl.rcParams.update({"svg.hashsalt": "lethe", "svg.fonttype": "path", "font.size": 9, "axes.spines.top": False})
mpl.rcParams["axes.spines.right"] = False


@dataclass(frozen=True)
class Attack:
    """The best attack on one example: a region of margins, and the bounds of the rates inside it."""

    low: float
    high: float
    outside: bool
    favours_runs: bool
    oracles_hit: int
    runs_hit: int
    at_least: float
    at_most: float

    @property
    def epsilon(self) -> float:
        return math.log((self.at_least - 1e-5) / self.at_most)


def draw_attack() -> None:
    """Two examples, each with both pools, the best attack and the rates that its epsilon is made of."""
    generator = np.random.default_rng(7)
    shifted = generator.normal(1.4, 1.0, N), generator.normal(0, 1.0, N)
    narrow = generator.normal(0.3, 0.45, N), generator.normal(0, 1.2, N)
    figure = Figure(figsize=(8.6, 3.2), layout="constrained")
    for axes, (unlearned, oracles) in zip(figure.subplots(1, 2, sharey=True), (shifted, narrow), strict=True):
        attack = _best_attack(unlearned, oracles)
        answer = exact_epsilon(unlearned[:, None], oracles[:, None])[0]
        if not math.isclose(answer, attack.epsilon, abs_tol=1e-9):
            raise SystemExit(f"the attack drawn gives {attack.epsilon}, the rule {answer}")
        _draw_pools(axes, unlearned, oracles, attack)
    figure.get_axes()[0].set_yticks([0, 1], ["oracles", "unlearned\nruns"])
    _save(figure, "metric-attack")


def _best_attack(unlearned: Values, oracles: Values) -> Attack:
    """All blocks of pooled margins and their complements, one after the other."""
    run_low, run_high = clopper_pearson(N, 0.95)
    oracle_low, oracle_high = clopper_pearson(N, 0.95)
    pooled = np.sort(np.concatenate((unlearned, oracles)))
    found = []
    for i, low in enumerate(pooled):
        for high in pooled[i:]:
            inside = [int(((pool >= low) & (pool <= high)).sum()) for pool in (oracles, unlearned)]
            for outside, (a, b) in ((False, inside), (True, [N - count for count in inside])):
                found.append(Attack(low, high, outside, True, a, b, run_low[b], oracle_high[a]))
                found.append(Attack(low, high, outside, False, a, b, oracle_low[a], run_high[b]))
    return max((attack for attack in found if attack.at_least > 1e-5), key=lambda attack: attack.epsilon)


def _draw_pools(axes: Axes, unlearned: Values, oracles: Values, attack: Attack) -> None:
    left, right = -4.2, 4.2
    inner = (max(left, attack.low), min(right, attack.high))
    if attack.low == min(unlearned.min(), oracles.min()):
        inner = (left, inner[1])
    if attack.high == max(unlearned.max(), oracles.max()):
        inner = (inner[0], right)
    for start, end in [(left, inner[0]), (inner[1], right)] if attack.outside else [inner]:
        axes.axvspan(start, end, color=REGION, alpha=0.3, lw=0)
    for level, values, colour in ((1, unlearned, UNLEARNED), (0, oracles, ORACLE)):
        axes.plot(values, np.full(len(values), level), "|", color=colour, markersize=24, markeredgewidth=1.1)
    for level, count, colour in ((1, attack.runs_hit, UNLEARNED), (0, attack.oracles_hit, ORACLE)):
        low, high = (float(bound[count]) for bound in clopper_pearson(N, 0.95))
        text = f"{count} of {N} in the region: rate {low:.2f} to {high:.2f}"
        axes.text(0, level + 0.36, text, color=colour, ha="center", va="center", bbox=BACKGROUND)
    name = "unlearned" if attack.favours_runs else "oracle"
    axes.text(0, -0.55, f"in the yellow region the attack says “{name}”", ha="center", va="center", bbox=BACKGROUND)
    axes.set(xlim=(left, right), ylim=(-0.8, 1.6), xlabel="margin on one forget image")
    axes.set_title(f"ε = ln({attack.at_least:.3f} / {attack.at_most:.3f}) = {attack.epsilon:.2f}", fontsize=10)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)


def draw_scale() -> None:
    """What both rules pay for identical pools, shifts and other spreads, by the number of runs."""
    figure = Figure(figsize=(8.2, 5.4), layout="constrained")
    panels = figure.subplots(2, 2, sharey="row")
    sys.stdout.write(f"{'rule':12}{'N':>4}  {'what':8}" + "".join(f"{value:>7}" for value in SHIFTS) + "\n")
    for row, rule in zip(panels, reversed(get_args(Rule)), strict=True):
        for axes, what, values in ((row[0], "shift", SHIFTS), (row[1], "spread", SPREADS)):
            for runs in RUNS:
                qualities = [_quality(rule, runs, what, value) for value in values]
                axes.plot(values, qualities, "o-", color=SHADES[runs], markersize=4, label=f"N = {runs}")
                sys.stdout.write(
                    f"{rule:12}{runs:4}  {what:8}" + "".join(f"{quality:7.3f}" for quality in qualities) + "\n"
                )
            _dress(axes, rule, what)
    _save(figure, "metric-scale")


def _quality(rule: Rule, runs: int, what: str, value: float) -> float:
    generator = np.random.default_rng([runs, round(100 * value), len(what)])
    mean, deviation = (value, 1.0) if what == "shift" else (0.0, value)
    unlearned = generator.normal(mean, deviation, (runs, EXAMPLES))
    oracles = generator.normal(0, 1, (runs, EXAMPLES))
    return forgetting_quality(epsilon(unlearned, oracles, rule=rule), rule=rule, runs=runs, oracles=runs)


def _dress(axes: Axes, rule: Rule, what: str) -> None:
    axes.set_ylim(0, 1 if rule == "exact" else 0.25)
    axes.grid(axis="y", color="#e5e5e5")
    axes.set_axisbelow(True)
    axes.set_title(f"{rule}: " + ("shifted margins" if what == "shift" else "wider or narrower margins"), fontsize=10)
    if what == "shift":
        axes.set_ylabel("forgetting quality F")
        axes.set_xlabel("shift in oracle standard deviations (0: identical)")
    else:
        axes.set_xscale("log")
        axes.set_xticks(SPREADS, [f"{value:g}" for value in SPREADS])
        axes.minorticks_off()
        axes.set_xlabel("standard deviation over the oracles' (1: identical)")
        axes.legend(frameon=False)


def _save(figure: Figure, name: str) -> None:
    for suffix in sys.argv[1:] or ["svg"]:
        metadata = {"Date": None} if suffix == "svg" else None
        figure.savefig(FOLDER / f"{name}.{suffix}", metadata=metadata, dpi=130)


if __name__ == "__main__":
    draw_attack()
    draw_scale()
