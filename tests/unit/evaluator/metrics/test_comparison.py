"""Differences, ranks and the permutation of run labels."""

import numpy as np
import pytest
import scipy.stats

from lethe.evaluator.metrics import Pool, compare, evaluate, paired_difference, ranks
from lethe.evaluator.metrics.comparison import Difference, holm, p_value


def pool(seed: int, shift: float = 0.0, runs: int = 32) -> Pool:
    return Pool(margins=np.random.default_rng(seed).normal(shift, 1, (runs, 8)))


BANK = pool(0)
SHIFTS = (0.0, 0.05, 1.5, 4.0)
SCORES = [evaluate(pool(seed, shift), BANK) for seed, shift in enumerate(SHIFTS, start=1)]


def test_rank_counts_who_is_significantly_better() -> None:
    assert ranks(SCORES) == (1, 1, 3, 4)
    assert ranks(SCORES[::-1]) == (4, 3, 1, 1)
    assert ranks([]) == ()


def test_ranks_agree_with_paired_differences() -> None:
    for mine, rank in zip(SCORES, ranks(SCORES), strict=True):
        better = [other for other in SCORES if paired_difference(other, mine).interval[0] > 0]
        assert rank == 1 + len(better)


def test_paired_difference_is_antisymmetric_and_zero_for_the_same_score() -> None:
    there, back = paired_difference(SCORES[0], SCORES[2]), paired_difference(SCORES[2], SCORES[0])
    assert there.significant
    assert there.difference == -back.difference == SCORES[0].final_score - SCORES[2].final_score
    assert there.interval == pytest.approx((-back.interval[1], -back.interval[0]))
    same = paired_difference(SCORES[0], SCORES[0])
    assert (same.difference, same.standard_error, same.significant) == (0.0, 0.0, False)


def test_scores_of_different_rules_do_not_compare() -> None:
    with pytest.raises(ValueError, match="one rule"):
        paired_difference(SCORES[0], evaluate(pool(1), BANK, rule="competition"))
    with pytest.raises(ValueError, match="oracle bank"):
        ranks([SCORES[0], evaluate(pool(1), pool(0, runs=40))])


def test_permutation_tells_distinct_submissions_apart() -> None:
    comparison = compare(pool(1), pool(3, 1.5), BANK, permutations=39)
    assert comparison.p_value == 1 / 40
    assert comparison.paired == paired_difference(SCORES[0], SCORES[2])


def test_permutation_of_a_submission_with_itself_finds_nothing() -> None:
    assert compare(pool(1), pool(1), BANK, permutations=19).p_value == 1.0


def test_comparison_is_repeatable_and_needs_equal_pools() -> None:
    first, second = (compare(pool(1), pool(2, 0.4), BANK, permutations=19, seed=5) for _ in range(2))
    assert first == second
    with pytest.raises(ValueError, match="same number of runs"):
        compare(pool(1), pool(2, runs=40), BANK)
    with pytest.raises(ValueError, match="at least one permutation"):
        compare(pool(1), pool(2), BANK, permutations=0)


def test_p_values_are_those_of_a_t_test() -> None:
    found = Difference(0.02, 0.01, (0.0, 0.04))
    assert p_value(found, 15) == pytest.approx(2 * scipy.stats.t.sf(2.0, 15))
    assert p_value(Difference(-0.02, 0.01, (0.0, 0.0)), 15) == p_value(found, 15)
    assert p_value(Difference(0.0, 0.0, (0.0, 0.0)), 15) == 1
    assert p_value(Difference(0.1, 0.0, (0.1, 0.1)), 15) == 0


def test_holm_multiplies_and_keeps_the_order() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []
