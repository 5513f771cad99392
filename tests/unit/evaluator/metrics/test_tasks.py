"""One score from several tasks and originals."""

from dataclasses import replace
from math import sqrt

import numpy as np
import pytest

from lethe.evaluator.metrics import CeilingZero, PartScore, Pool, Score, combine, evaluate, require_ceiling
from lethe.evaluator.metrics.uncertainty import jackknife_error, t_quantile


def pool(seed: int, shift: float = 0.0, examples: int = 12) -> Pool:
    return Pool(margins=np.random.default_rng(seed).normal(shift, 1, (32, examples)))


BANKS = {"faces": pool(0), "digits": pool(1, examples=7)}
CEILINGS = {"faces": evaluate(pool(2), BANKS["faces"]), "digits": evaluate(pool(3, examples=7), BANKS["digits"])}
SCORES = {
    "faces": [evaluate(pool(4 + one, 0.5), BANKS["faces"]) for one in range(3)],
    "digits": [evaluate(pool(8 + one, 1.0, 7), BANKS["digits"]) for one in range(3)],
}


def part(task: str, weight: float = 1.0, original: int = 0, *, score: Score | None = None) -> PartScore:
    own = SCORES[task][original] if score is None else score
    return PartScore(task=task, weight=weight, original=original, score=own, ceiling=CEILINGS[task])


def ratio(task: str, original: int = 0) -> float:
    return SCORES[task][original].final_score / CEILINGS[task].forgetting_quality


def test_the_weighted_mean_of_normalised_scores() -> None:
    found = combine([part("faces", 3.0), part("digits", 1.0)])
    assert found.final_score == pytest.approx(0.75 * ratio("faces") + 0.25 * ratio("digits"))
    assert [(one.name, one.share) for one in found.tasks] == [("faces", 0.75), ("digits", 0.25)]
    assert [one.final_score for one in found.tasks] == pytest.approx([ratio("faces"), ratio("digits")])
    assert found.tasks[0].ceiling == CEILINGS["faces"].forgetting_quality
    assert found.originals is None


def test_groups_are_left_out_of_every_task_at_once_and_ranks_take_the_ceilings_as_constants() -> None:
    found = combine([part("faces"), part("digits")])
    expected = sum(SCORES[task][0].replicates / CEILINGS[task].forgetting_quality / 2 for task in BANKS)
    np.testing.assert_allclose(found.replicates, expected)


def test_the_ceilings_errors_are_in_the_interval() -> None:
    found = combine([part("faces"), part("digits")])
    of_both = sum(SCORES[task][0].replicates / CEILINGS[task].quality_replicates / 2 for task in BANKS)
    assert found.standard_error == pytest.approx(float(jackknife_error(of_both)))
    half = t_quantile(15) * found.standard_error
    assert found.interval == pytest.approx((max(0.0, found.final_score - half), found.final_score + half))
    assert found.standard_error != pytest.approx(float(jackknife_error(found.replicates)))


def test_scale_and_order_of_weights_and_tasks_change_nothing() -> None:
    one = combine([part("faces", 3.0), part("digits", 1.0)])
    other = combine([part("digits", 10.0), part("faces", 30.0)])
    assert other.final_score == pytest.approx(one.final_score)
    assert other.interval == pytest.approx(one.interval)


def test_a_ceiling_in_place_of_runs_scores_its_utility() -> None:
    found = combine([part(task, score=CEILINGS[task]) for task in BANKS])
    assert found.final_score == pytest.approx(1.0)
    assert found.interval == pytest.approx((1.0, 1.0))  # the same noise above and below the line


def test_originals_are_a_mean_and_their_part_of_the_error_stands_apart() -> None:
    parts = [part(task, original=one) for task in BANKS for one in range(3)]
    found = combine(parts)
    each = np.array([(ratio("faces", one) + ratio("digits", one)) / 2 for one in range(3)])
    assert found.final_score == pytest.approx(each.mean())
    assert found.originals is not None
    assert found.originals.degrees == 2
    assert found.originals.scores == pytest.approx(tuple(each))
    assert found.originals.standard_error == pytest.approx(each.std(ddof=1) / sqrt(3))
    assert found.standard_error > found.originals.standard_error
    within = sqrt(found.standard_error**2 - found.originals.standard_error**2)
    degrees = found.standard_error**4 / (within**4 / 15 + found.originals.standard_error**4 / 2)
    assert found.interval[1] - found.final_score == pytest.approx(t_quantile(degrees) * found.standard_error)


def test_originals_without_tasks_are_not_normalised() -> None:
    parts = [replace(part("faces", original=one), ceiling=None) for one in range(2)]
    found = combine(parts, most=1.0)
    assert found.final_score == pytest.approx(np.mean([SCORES["faces"][one].final_score for one in range(2)]))
    assert found.tasks[0].ceiling is None
    assert found.interval[1] <= 1.0


def test_a_ceiling_that_may_be_zero_is_refused_by_its_task() -> None:
    low = evaluate(pool(5, 3.0), BANKS["faces"])
    nothing = replace(low, forgetting_quality=0.01, quality_replicates=np.linspace(0.0, 0.02, 16))
    with pytest.raises(CeilingZero, match=r"task 'faces': its ceiling is 0\.010 with 0 in its interval"):
        require_ceiling("faces", nothing)
    with pytest.raises(CeilingZero, match="leave the task out"):
        combine([replace(part("faces"), ceiling=nothing)])
    require_ceiling("faces", CEILINGS["faces"])


def test_parts_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one part"):
        combine([])
    with pytest.raises(ValueError, match="one rule"):
        combine([part("faces"), part("digits", score=evaluate(pool(8, 1.0, 7), BANKS["digits"], rule="competition"))])
    with pytest.raises(ValueError, match="same originals"):
        combine([part("faces"), part("faces", original=1), part("digits")])
