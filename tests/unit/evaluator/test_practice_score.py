"""What a notebook shows of a practice score."""

import xml.etree.ElementTree as ET

import pytest

from lethe.evaluator.practice_score import PracticeScore

SCORE = PracticeScore(
    rule="exact", runs=8, oracles=32, score=0.25, low=0.125, high=0.5, forgetting_quality=0.5, retain_ratio=1.0,
    test_ratio=0.5, epsilon=(0.0, 0.49, 0.5, 1.2, 99.0), margins=(0.0,) * 5, oracle_margins=(0.0,) * 5,
)  # fmt: skip


def test_value_and_interval_are_the_scores() -> None:
    assert (SCORE.value, SCORE.interval) == (0.25, (0.125, 0.5))
    assert str(SCORE).startswith("practice score 0.2500, 95% interval [0.1250, 0.5000]: forgetting quality 0.5000 ×")


def test_the_histogram_has_every_image_and_few_bars() -> None:
    counts, edges = SCORE.histogram()
    assert (len(counts), edges.tolist()[:3], edges[-1]) == (20, [0.0, 0.5, 1.0], 10.0)
    assert counts.tolist() == [2, 1, 1, *[0] * 16, 1]
    small = SCORE.model_copy(update={"epsilon": (0.0, 0.5)}).histogram()
    assert (small[0].tolist(), small[1].tolist()) == ([1, 1], [0.0, 0.5, 1.0])


@pytest.mark.parametrize("epsilon", [SCORE.epsilon, ()])
def test_a_notebook_shows_a_bar_for_each_bin(epsilon: tuple[float, ...]) -> None:
    score = SCORE.model_copy(update={"epsilon": epsilon})
    root = ET.fromstring(f"<div>{score._repr_html_()}</div>")  # noqa: S314 - our own text
    assert len(root.findall("svg/rect")) == len(score.histogram()[0])
    assert str(score) == root.findtext("p")


def test_the_plot_has_the_counts() -> None:
    import matplotlib as mpl

    mpl.use("agg")
    axes = SCORE.plot(label="mine")
    assert SCORE.plot(axes) is axes
    counts, edges = SCORE.histogram()
    drawn = axes.patches[0].get_data()
    assert (drawn.values.tolist(), drawn.edges.tolist()) == (counts.tolist(), edges.tolist())
    assert [patch.get_label() for patch in axes.patches] == ["mine 0.2500", "0.2500"]
