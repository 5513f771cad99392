"""Plots of a submission: they say what the numbers say, for odd numbers too, and give the same bytes each time."""

import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest

from lethe.evaluator.metrics import Pool, evaluate
from lethe.server.plots.drawing import ORACLE, UNLEARNED
from lethe.server.plots.submission import PlotData, submission_plots

RUNS, EXAMPLES = 16, 12


def evidence(*, shift: float = 1.0, spread: float = 1.0) -> PlotData:
    generator = np.random.default_rng(3)
    oracles = generator.normal(0, 1, (RUNS, EXAMPLES))
    runs = shift + spread * generator.normal(0, 1, (RUNS, EXAMPLES))
    accuracies = {"retain_accuracy": 0.9, "test_accuracy": 0.4, "forget_accuracy": 0.6}
    unlearned = Pool(margins=runs, **{name: np.full(RUNS, value) for name, value in accuracies.items()})
    retrained = Pool(margins=oracles, **{name: np.full(RUNS, value) for name, value in accuracies.items()})
    score = evaluate(unlearned, retrained, rule="exact")
    return PlotData(
        epsilon=score.epsilon,
        quality=score.quality,
        unlearned=unlearned,
        retrained=retrained,
        run_wall_s=np.full(RUNS, 1.5),
        retraining_wall_s=np.full(RUNS, 6.0),
    )


@pytest.mark.parametrize("shown", [evidence(), evidence(spread=0.0), evidence(shift=50.0)])
def test_every_plot_is_an_svg_with_words(shown: PlotData) -> None:
    plots = submission_plots(shown)
    assert [plot.name for plot in plots] == ["epsilon", "margins", "accuracies", "times", "histogram"]
    for plot in plots:
        assert ET.fromstring(plot.svg).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314
        assert plot.title
        assert plot.text.endswith(".")


def test_the_words_carry_the_numbers() -> None:
    shown = evidence()
    epsilon, _, accuracies, times, _ = submission_plots(shown)
    assert f"{shown.quality.mean():.3f}" in epsilon.text
    assert f"median {np.median(shown.epsilon):.2f}" in epsilon.text
    assert "retain: runs 0.900, oracles 0.900" in accuracies.text
    assert "25% of retraining" in times.text


@pytest.mark.slow
def test_the_rounded_histogram_tells_shares_only() -> None:
    shown = replace(evidence(), epsilon=np.array([0.1, 0.2, 0.4, 0.49, 0.5, 0.6, 1.2, 3.0, 9.0, 50.0]))
    near = replace(shown, epsilon=shown.epsilon * np.where(shown.epsilon < 1, 0.97, 1.0))
    histogram, other = (submission_plots(one)[-1] for one in (shown, near))
    assert histogram.text.endswith("0 to 0.5: 40%, 0.5 to 1: 20%, 1 to 1.5: 10%, 3 to 3.5: 10%, 7 or more: 20%.")
    assert other.text.endswith("0 to 0.5: 50%, 0.5 to 1: 10%, 1 to 1.5: 10%, 3 to 3.5: 10%, 7 or more: 20%.")
    again = replace(shown, epsilon=shown.epsilon + 0.005, quality=shown.quality / 2)
    assert submission_plots(again)[-1] == histogram  # no bit of what was rounded away


def test_margins_are_of_a_good_a_typical_and_a_bad_example() -> None:
    shown = evidence()
    ordered = np.sort(shown.epsilon)
    text = submission_plots(shown)[1].text
    positions = [text.index(f"(epsilon {ordered[round(share * (EXAMPLES - 1))]:.2f})") for share in (0.1, 0.5, 0.9)]
    assert positions == sorted(positions)


def test_a_part_that_nobody_measured_is_left_out() -> None:
    shown = evidence()
    without = replace(shown, unlearned=replace(shown.unlearned, forget_accuracy=None))
    text = submission_plots(without)[2].text
    assert "forget" not in text
    assert "test" in text


def test_colours_follow_the_readers_screen() -> None:
    for plot in submission_plots(evidence()):
        text = plot.svg.decode()
        assert "prefers-color-scheme:dark" in text
        body = text.split("</style>", 1)[1]
        assert UNLEARNED not in body
        assert ORACLE not in body


def test_the_same_evidence_gives_the_same_bytes() -> None:
    first, second = (submission_plots(evidence()) for _ in range(2))
    assert [plot.svg for plot in first] == [plot.svg for plot in second]
