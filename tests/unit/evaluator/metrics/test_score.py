"""Scores put together: ratios, error bars, warnings and refusals."""

import math

import numpy as np
import pytest

from lethe.evaluator.metrics import METRIC_VERSION, Pool, Rule, evaluate, final_score, tug_of_war
from lethe.evaluator.metrics.uncertainty import between_identity_variance, jackknife_error, t_quantile

RULES: list[Rule] = ["competition", "exact"]


def pool(seed: int, *, runs: int = 16, examples: int = 6, shift: float = 0.0, retain: float = 0.9) -> Pool:
    generator = np.random.default_rng(seed)
    return Pool(
        margins=generator.normal(shift, 1, (runs, examples)),
        retain_accuracy=np.full(runs, retain),
        test_accuracy=np.full(runs, 0.6),
    )


@pytest.mark.parametrize("rule", RULES)
def test_final_score_is_quality_times_ratios(rule: Rule) -> None:
    score = evaluate(pool(1, shift=0.3, retain=0.45), pool(2), rule=rule)
    assert score.retain_ratio == pytest.approx(0.5)
    assert score.test_ratio == 1.0
    assert score.final_score == pytest.approx(score.forgetting_quality * 0.5)
    assert score.forgetting_quality == pytest.approx(score.quality.mean())
    assert score.metric_version == METRIC_VERSION
    assert score.final_score == final_score(pool(1, shift=0.3, retain=0.45), pool(2), rule=rule)


def test_ratios_are_capped_unless_told_otherwise() -> None:
    unlearned, retrained = pool(1, retain=0.9), pool(2, retain=0.6)
    assert evaluate(unlearned, retrained).retain_ratio == 1.0
    assert evaluate(unlearned, retrained, cap_ratios=False).retain_ratio == pytest.approx(1.5)


@pytest.mark.parametrize("rule", RULES)
def test_same_arrays_give_the_same_bits(rule: Rule) -> None:
    first = evaluate(pool(1, shift=0.4), pool(2), rule=rule, identities=[0, 0, 1, 1, 2, 2])
    second = evaluate(pool(1, shift=0.4), pool(2), rule=rule, identities=list("aabbcc"))
    assert np.array_equal(first.replicates, second.replicates)
    assert (first.final_score, first.interval, first.interval_new_identities) == (
        second.final_score,
        second.interval,
        second.interval_new_identities,
    )


@pytest.mark.parametrize(("runs", "oracles", "groups"), [(8, 8, 8), (40, 40, 16), (40, 12, 12)])
def test_replicates_leave_one_group_out(runs: int, oracles: int, groups: int) -> None:
    unlearned, retrained = pool(1, runs=runs, shift=0.5), pool(2, runs=oracles)
    score = evaluate(unlearned, retrained)
    assert score.replicates.shape == (groups,)
    keep = [np.flatnonzero(np.arange(n) % groups != 3) for n in (runs, oracles)]
    assert score.replicates[3] == final_score(unlearned.take(keep[0]), retrained.take(keep[1]))
    half = t_quantile(groups - 1) * score.standard_error
    assert score.interval == pytest.approx((max(0, score.final_score - half), min(1, score.final_score + half)))


def test_jackknife_error_by_hand() -> None:
    # Leave-one-out means of 1, 2, 3, 4: the jackknife gives the standard error of the mean.
    values = np.array([1.0, 2.0, 3.0, 4.0])
    left_out = (values.sum() - values) / 3
    assert float(jackknife_error(left_out)) == pytest.approx(values.std(ddof=1) / 2)
    assert t_quantile(15) == pytest.approx(2.13145, abs=1e-5)


def test_variance_between_identities_by_hand() -> None:
    # Two people, two photographs each, means 0 and 1: the mean of two independent draws.
    assert between_identity_variance([0, 0, 1, 1], ["a", "a", "b", "b"]) == pytest.approx(0.25)
    # One photograph each: the ordinary variance of a mean.
    values = np.array([0.1, 0.5, 0.2, 0.9])
    assert between_identity_variance(values, range(4)) == pytest.approx(values.var(ddof=1) / 4)


def test_interval_for_new_identities_is_wider() -> None:
    score = evaluate(pool(1, shift=0.8), pool(2), identities=[0, 0, 1, 1, 2, 2], cap_ratios=False)
    assert score.interval_new_identities is not None
    low, high = score.interval_new_identities
    assert low < score.interval[0]
    assert high > score.interval[1]


def test_one_identity_says_nothing_about_others() -> None:
    score = evaluate(pool(1), pool(2), identities=[7] * 6)
    assert score.interval_new_identities is None
    assert [warning.code for warning in score.warnings] == ["single_identity"]


def test_missing_accuracies_count_as_one_and_warn() -> None:
    score = evaluate(Pool(margins=pool(1).margins), Pool(margins=pool(2).margins))
    assert score.final_score == score.forgetting_quality
    assert [warning.code for warning in score.warnings] == ["accuracies_missing"]


@pytest.mark.parametrize("cap_ratios", [True, False])
def test_oracles_that_are_always_wrong_take_nothing_away(cap_ratios: bool) -> None:
    score = evaluate(pool(1), pool(2, retain=0.0), cap_ratios=cap_ratios)
    assert (score.retain_ratio, score.final_score) == (1.0, score.forgetting_quality)
    assert [warning.code for warning in score.warnings] == ["oracle_accuracies_zero"]
    assert score.warnings[0].message.startswith("The oracles' retain accuracies are all zero")


def test_no_surviving_rule_warns() -> None:
    flat = Pool(margins=np.zeros((8, 2)), retain_accuracy=np.ones(8), test_accuracy=np.ones(8))
    score = evaluate(flat, flat, rule="competition")
    assert [warning.code for warning in score.warnings] == ["no_surviving_rule"]
    assert (score.final_score, score.standard_error, score.interval) == (1.0, 0.0, (1.0, 1.0))


def test_separated_pools_score_zero_and_not_below() -> None:
    score = evaluate(pool(1, shift=50), pool(2))
    assert (score.final_score, score.interval) == (0.0, (0.0, 0.0))


@pytest.mark.parametrize(
    ("unlearned", "retrained", "rule", "message"),
    [
        (pool(1, runs=7), pool(2), "exact", "holds 7 models"),
        (pool(1, runs=16), pool(2, runs=17), "competition", "as many runs as oracles"),
        (pool(1, examples=5), pool(2), "exact", "5 examples and retrained 6"),
        (Pool(margins=pool(1).margins), pool(2), "exact", "one pool only"),
    ],
)
def test_refusals(unlearned: Pool, retrained: Pool, rule: Rule, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        evaluate(unlearned, retrained, rule=rule)


def test_identities_must_fit() -> None:
    with pytest.raises(ValueError, match=r"\(6,\)"):
        evaluate(pool(1), pool(2), identities=[1, 2])


@pytest.mark.parametrize(
    ("margins", "message"),
    [
        (np.zeros(8), "shape"),
        (np.zeros((8, 0)), "shape"),
        (np.array([[0.0], [math.nan]]), "first is run 1"),
    ],
)
def test_pools_refuse_what_is_not_a_table_of_finite_margins(margins: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Pool(margins=margins)


def test_pools_refuse_strange_accuracies_and_are_read_only() -> None:
    with pytest.raises(ValueError, match=r"\(8,\)"):
        Pool(margins=np.zeros((8, 1)), test_accuracy=np.zeros(7))
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        Pool(margins=np.zeros((8, 1)), test_accuracy=np.full(8, 90.0))
    source = np.zeros((8, 1))
    kept = Pool(margins=source).margins
    source[0] = 1
    assert kept[0, 0] == 0
    with pytest.raises(ValueError, match="read-only"):
        kept[0] = 1


def test_tug_of_war_by_hand() -> None:
    def flat(forget: float, retain: float, test: float) -> Pool:
        accuracies = (np.full(2, value) for value in (forget, retain, test))
        return Pool(
            margins=np.zeros((2, 1)),
            **dict(zip(("forget_accuracy", "retain_accuracy", "test_accuracy"), accuracies, strict=True)),
        )

    assert tug_of_war(flat(0.9, 1.0, 0.7), flat(0.4, 0.9, 0.8)) == pytest.approx(0.5 * 0.9 * 0.9)
    with pytest.raises(ValueError, match="forget accuracies"):
        tug_of_war(pool(1), pool(2))
