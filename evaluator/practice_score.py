"""The score of runs on practice data: as JSON, as text, as a notebook shows it, and as a plot."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lethe.evaluator.contract.practice_score import EPSILON_BIN, ScoredPractice, count_epsilon

_BARS = 20
_BAR_PX, _HEIGHT_PX = 14, 60


class PracticeScore(ScoredPractice):
    """The score of a few runs on practice data, and how notebooks show it."""

    @property
    def value(self) -> float:
        """The score."""
        return self.score

    @property
    def interval(self) -> tuple[float, float]:
        """The 95% interval of the score."""
        return self.low, self.high

    def histogram(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return how many forget images have an epsilon in each bin (B,), and the bins' edges (B + 1,), 0.5 apart.

        The last bin of at most 20 includes all that is larger.
        """
        counts = np.array(count_epsilon(self.epsilon, _BARS), dtype=np.int64)
        return counts, EPSILON_BIN * np.arange(len(counts) + 1, dtype=np.float64)

    def plot(self, axes: Any = None, *, label: str = "") -> Any:
        """Draw the histogram of epsilon into matplotlib axes, by default new ones, and return them.

        Raises ModuleNotFoundError where matplotlib is not installed.
        """
        if axes is None:
            try:
                import matplotlib.pyplot as plt
            except ModuleNotFoundError as error:
                message = "plot needs matplotlib: pip install matplotlib"
                raise ModuleNotFoundError(message, name=error.name) from error
            axes = plt.subplots(layout="constrained")[1]
        counts, edges = self.histogram()
        axes.stairs(counts, edges, fill=True, alpha=0.5, label=f"{label} {self.score:.4f}".strip())
        axes.set(xlabel="epsilon of a forget image (0: like the oracles)", ylabel="forget images")
        return axes

    def _repr_html_(self) -> str:
        counts, _ = self.histogram()
        top, width = max(int(counts.max()), 1), _BAR_PX * len(counts)
        bars = "".join(
            f'<rect x="{_BAR_PX * place}" y="{_HEIGHT_PX - high}" width="{_BAR_PX - 1}" height="{high}"/>'
            for place, high in enumerate((_HEIGHT_PX * counts / top).round().astype(int).tolist())
        )
        return (
            f'<p>{self}</p><svg width="{width}" height="{_HEIGHT_PX}" fill="#4477aa" role="img">{bars}</svg>'
            f"<p>Forget images by epsilon, in steps of {EPSILON_BIN} from 0 (like the oracles); {self.runs} runs, "
            f"{self.oracles} oracles, rule {self.rule}</p>"
        )
