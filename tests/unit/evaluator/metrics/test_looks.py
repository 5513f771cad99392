"""The decision of a look, and the simulation's fast scoring beside the metric."""

from typing import get_args

import numpy as np
import pytest

from benchmarks.looks import Bank, Setting, draw, upper_bound
from lethe.evaluator.contract.specification import LOOK_GROUPS
from lethe.evaluator.metrics import Pool, evaluate
from lethe.evaluator.metrics.looks import Estimate, is_below, look, stops
from lethe.evaluator.metrics.quality import Rule
from lethe.evaluator.metrics.uncertainty import GROUPS

SPREAD = np.linspace(-1, 1, 16)


def estimate(final: float, *, noise: float = 0.001) -> Estimate:
    return Estimate(final=np.asarray(final), replicates=final + noise * SPREAD)


def decide(score: float, best: float, at_end: float, growth: float = 1.0, noise: float = 0.001) -> bool:
    flat = Estimate(final=np.asarray(best), replicates=np.full(16, best))
    found = look(estimate(score, noise=noise), flat, best_at_end=estimate(at_end, noise=0), growth=growth)
    return bool(stops(found, runs=64, runs_total=512))


def test_it_stops_below_the_best_in_both_ways_only() -> None:
    assert decide(0.3, 0.5, 0.5)
    assert not decide(0.5, 0.5, 0.5)
    assert not decide(0.6, 0.5, 0.5)
    assert not decide(0.3, 0.5, 0.3)  # worse at n, but what the best came to at N is within reach
    assert not decide(0.3, 0.5, 0.5, growth=0.6)  # as are 0.5 · 0.6 at n, if scores grow so much until N
    assert not decide(0.5, 0.4, 0.6)  # better at n: F orders them differently there


def test_the_margin_grows_with_the_part_of_the_runs_that_the_luck_of_the_best_is_in() -> None:
    assert is_below(-2.3, 1.0, runs=64, runs_total=512)
    assert not is_below(-2.3, 1.0, runs=256, runs_total=512)
    assert is_below(-2.6, 1.0, runs=256, runs_total=512)


def test_a_difference_without_an_error_stops_nothing() -> None:
    assert not decide(0.3, 0.5, 0.5, noise=0)
    assert not is_below(-1.0, float("nan"), runs=64, runs_total=512)


@pytest.mark.parametrize("rule", get_args(Rule))
def test_the_simulation_scores_as_the_metric_does(rule: Rule) -> None:
    generator = np.random.default_rng(0)
    setting = Setting(rule, 64, 4)
    bank = Bank(setting, draw(generator, "shift", 0, 1, 64, 4))
    files = draw(generator, "wide", 0.5, 2, 32, 4)
    found = bank.estimate(files)
    kept = 32 if rule == "competition" else 64
    oracles = Pool(margins=bank.margins[:kept], retain_accuracy=bank.accuracy[:kept])
    for row in range(2):
        score = evaluate(Pool(margins=files.margins[row], retain_accuracy=files.accuracy[row]), oracles, rule=rule)
        assert found.final[row] == pytest.approx(score.final_score, abs=1e-12)
        assert found.replicates[row] == pytest.approx(score.replicates, abs=1e-12)


def test_the_upper_bound_counts_worlds_and_not_draws_that_share_one() -> None:
    none = np.zeros(300, bool)
    assert upper_bound(none, np.arange(300.0)) == pytest.approx(1 - 0.025 ** (1 / 300))
    one_world = np.repeat([True, *[False] * 29], 10)
    apart = np.concatenate([np.ones(10, bool), np.zeros(290, bool)])
    assert upper_bound(one_world, np.repeat(np.arange(30.0), 10)) > 2 * upper_bound(apart, np.arange(300.0))


def test_looks_are_at_multiples_of_the_groups_that_errors_are_made_of() -> None:
    assert LOOK_GROUPS == GROUPS
