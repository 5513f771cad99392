"""The plot of `lethe check` has a panel for each thing there is, in the file type that was asked for."""

import pytest

from lethe.evaluator.contract.curves import Curve, CurvePoint
from lethe.evaluator.contract.practice_score import ScoredPractice
from lethe.server.cli.check import describe_forgetting
from lethe.server.plots.check import check_plot

CURVE = Curve(points=tuple(CurvePoint(step=step, retain=1.0, forget=0.5, test=0.25) for step in (0, 4, 9)))
SCORE = ScoredPractice(
    rule="competition", runs=8, oracles=8, score=0.05, low=0.01, high=0.09, forgetting_quality=0.05, retain_ratio=1.0,
    test_ratio=1.0, epsilon=(0.2, 0.7, 0.9, 1.1, 55.0), margins=(1.0, 2.0, 3.0, 0.5, 1.5),
    oracle_margins=(0.0, -1.0, 1.0, 0.5, 0.25),
)  # fmt: skip


@pytest.mark.parametrize(
    ("curve", "score", "texts"),
    [
        (CURVE, None, ["optimiser steps"]),
        (None, SCORE, ["epsilon of a forget image", "margin of the runs"]),
        (CURVE, SCORE, ["optimiser steps", "epsilon of a forget image", "margin of the runs", "practice score 0.0500"]),
    ],
)
def test_a_panel_for_each(curve: Curve | None, score: ScoredPractice | None, texts: list[str]) -> None:
    drawn = check_plot(curve, score, "svg")
    assert drawn is not None
    for text in ("optimiser steps", "epsilon of a forget image", "margin of the runs", "practice score 0.0500"):
        assert (text in drawn.decode()) == (text in texts or (score is not None and text.startswith("practice")))
    assert drawn == check_plot(curve, score, "svg")


def test_a_png_is_one() -> None:
    drawn = check_plot(CURVE, SCORE, "png")
    assert drawn is not None
    assert drawn.startswith(b"\x89PNG")


def test_nothing_is_drawn_of_nothing() -> None:
    assert check_plot(None, None, "png") is None


def test_the_terminal_has_a_histogram_of_eighty_columns() -> None:
    lines = describe_forgetting(SCORE).splitlines()
    assert lines[0] == "margins on the forget images, on average: runs 1.60, oracles 0.15"
    assert [line.split()[-2:] for line in lines[2:4]] == [["1", "#" * 20], ["2", "#" * 40]]
    assert lines[-1].split() == ["3.5", "or", "more", "1", "#" * 20]
    assert max(map(len, lines)) <= 80
    assert sum(int(line[14:21]) for line in lines[2:]) == 5
