"""The per-example attacks on pools: logistic regression, U-LiRA, KLoM and certified bounds."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm
from sklearn.model_selection import StratifiedKFold

from lethe.evaluator.measures import epsilon_lower_bound, klom, logistic_attack, u_lira
from lethe.evaluator.measures.bounds import gaussian_mu
from lethe.evaluator.metrics import exact_epsilon

Floats = NDArray[np.float64]


def draw(seed: int, shift: float = 0.0, scale: float = 1.0, runs: int = 64, examples: int = 12) -> Floats:
    return np.random.default_rng(seed).normal(shift, scale, (runs, examples))


def test_logistic_attack_on_identical_and_separated_pools() -> None:
    same, apart = logistic_attack(draw(1), draw(2)), logistic_attack(draw(1, 30.0), draw(2))
    assert same.mean_accuracy == pytest.approx(0.5, abs=0.06)
    assert same.forgetting_quality > 0.7
    assert apart.mean_accuracy == 1.0
    assert apart.forgetting_quality == 0.0  # not left out of the mean
    assert np.isinf(apart.epsilon).all()


def test_logistic_attack_by_hand() -> None:
    # Two values: 1 in 3 of 4 runs and in 1 of 4 oracles of either fold, whichever way the folds fall.
    unlearned, retrained = np.array([1.0] * 30 + [0.0] * 10), np.array([1.0] * 10 + [0.0] * 30)
    attack = logistic_attack(unlearned[:, None], retrained[:, None])
    assert attack.accuracy[0] == pytest.approx(0.75)
    assert attack.epsilon[0] == pytest.approx(math.log(3), abs=0.25)
    assert attack.forgetting_quality in {0.25, 0.375, 0.5}


def test_logistic_attack_scores_each_fold_by_its_own_bin() -> None:
    # Fold 0 holds half of either pool, and there the pools are apart; in fold 1 half of both overlap at 0.
    members = np.repeat([1, 0], 8)
    folds = StratifiedKFold(n_splits=2, shuffle=True, random_state=0).split(members, members)
    first, second = (held_out for _, held_out in folds)
    values = np.where(members == 1, 1.0, -1.0)
    values[[second[members[second] == 1][0], second[members[second] == 0][0]]] = [-1.0, 1.0]
    attack = logistic_attack(values[:8, None], values[8:, None])
    assert len(first) == len(second) == 8
    assert np.isinf(attack.epsilon[0])  # the mean of infinity and ln(0.75 / 0.25)
    assert attack.accuracy[0] == pytest.approx(0.875)
    assert attack.forgetting_quality == pytest.approx((0 + 2**-2) / 2)  # ln 3 is in the third bin


def test_logistic_attack_leaves_out_what_it_cannot_decide() -> None:
    # Constant pools: everything is called one class, so exactly one rate is zero in both folds.
    attack = logistic_attack(np.zeros((8, 1)), np.zeros((8, 1)))
    assert attack.undecided == 1
    assert math.isnan(attack.forgetting_quality)


def test_u_lira_accuracy() -> None:
    assert u_lira(draw(1), draw(2)).mean_accuracy == pytest.approx(0.5, abs=0.05)
    assert u_lira(draw(1, 30.0), draw(2)).mean_accuracy == 1.0
    # For unit normals one apart the best attack is right with probability Φ(1/2).
    best = 0.6915
    assert u_lira(draw(1, 1.0, runs=2_000), draw(2, runs=2_000)).mean_accuracy == pytest.approx(best, abs=0.01)
    assert u_lira(np.zeros((8, 1)), np.zeros((8, 1))).mean_accuracy == 0.5


def test_u_lira_sees_a_smaller_spread() -> None:
    assert u_lira(draw(1, 0.0, 0.2), draw(2)).mean_accuracy > 0.7


def test_klom_by_hand() -> None:
    # 20 bins from 0 to 1: half of the runs in the first and half in the last, the oracles a quarter and three.
    unlearned, retrained = np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.0, 1.0, 1.0, 1.0])
    expected = 0.5 * math.log(0.5 / 0.25) + 0.5 * math.log(0.5 / 0.75)
    assert klom(unlearned[:, None], retrained[:, None])[0] == pytest.approx(expected)


def test_klom_floor_and_clip() -> None:
    # Nothing of the oracles where the runs are: the share 1e-5, after renormalisation.
    disjoint = klom(np.full((4, 1), 500.0), np.full((4, 1), -500.0))[0]
    assert disjoint == pytest.approx(math.log(1.00001 / 1e-5))
    assert klom(np.full((4, 1), 500.0), np.full((4, 1), 200.0))[0] == 0.0  # both clipped to 100
    assert klom(draw(1), draw(1)).max() == 0.0


@pytest.mark.parametrize(("runs", "bound"), [(512, 4.23), (64, 2.10)])
def test_separation_certifies_what_the_number_of_runs_allows(runs: int, bound: float) -> None:
    apart = epsilon_lower_bound(draw(1, 50.0, runs=runs, examples=2), draw(2, runs=runs, examples=2))
    np.testing.assert_allclose(apart, bound, atol=0.005)
    swapped = epsilon_lower_bound(draw(2, runs=runs, examples=2), draw(1, 50.0, runs=runs, examples=2))
    np.testing.assert_allclose(swapped, bound, atol=0.005)


def test_lower_bound_is_seldom_positive_for_identical_pools() -> None:
    bounds = epsilon_lower_bound(draw(1, examples=400), draw(2, examples=400))
    assert (bounds > 0).mean() <= 0.05
    assert (exact_epsilon(draw(1, examples=400), draw(2, examples=400)) > 0).mean() > 0.3  # the score's selection bias


def test_lower_bound_holds_below_the_true_epsilon() -> None:
    # Every second run answers 1, one oracle in ten: the true epsilon of that attack is ln 5.
    generator = np.random.default_rng(4)
    unlearned = (generator.random((256, 300)) < 0.5).astype(float)
    retrained = (generator.random((256, 300)) < 0.1).astype(float)
    bounds = epsilon_lower_bound(unlearned, retrained)
    assert (bounds > math.log(5)).mean() <= 0.05
    assert np.median(bounds) > 0.5


def test_mu_of_separated_pools_by_hand() -> None:
    # Both rates are 0 of 256: the upper bound of each is 1 − .025^(1/256).
    expected = -2 * norm.ppf(1 - 0.025 ** (1 / 256))
    ours, theirs = draw(1, 50.0, runs=512, examples=2), draw(2, runs=512, examples=2)
    assert gaussian_mu(ours, theirs) == pytest.approx(expected)
    assert gaussian_mu(theirs, ours) == pytest.approx(expected)
    assert expected == pytest.approx(4.38, abs=0.005)


def test_certificates_know_no_unit_and_no_direction() -> None:
    ours, theirs = draw(1, 1.0), draw(2)
    for bound in (gaussian_mu, epsilon_lower_bound):
        np.testing.assert_allclose(bound(5 * ours - 2, 5 * theirs - 2), bound(ours, theirs))
        np.testing.assert_allclose(bound(-ours, -theirs), bound(ours, theirs))
        np.testing.assert_allclose(bound(theirs, ours), bound(ours, theirs))


def test_mu_of_unit_normals_is_seldom_above_their_distance() -> None:
    found = gaussian_mu(draw(1, 1.0, runs=512, examples=300), draw(2, runs=512, examples=300))
    assert (found > 1).mean() <= 0.05
    assert np.median(found) > 0.5
    none = gaussian_mu(draw(3, examples=300), draw(2, examples=300))
    assert (none > 0).mean() <= 0.05
    assert set(gaussian_mu(np.zeros((8, 2)), np.zeros((8, 2)))) == {0.0}


@pytest.mark.parametrize("attack", [logistic_attack, u_lira, epsilon_lower_bound, gaussian_mu])
def test_small_pools_are_refused(attack: object) -> None:
    with pytest.raises(ValueError, match="at least 4"):
        attack(np.zeros((3, 1)), np.zeros((8, 1)))  # type: ignore[operator]
