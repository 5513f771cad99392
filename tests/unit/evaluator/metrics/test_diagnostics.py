"""Named warnings: each appears for what it describes and stays away from honest pools."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import ndtri

from lethe.evaluator.metrics import Pool, diagnose, evaluate, non_finite_outputs
from lethe.evaluator.metrics.diagnostics import regular_margins

Floats = NDArray[np.float64]


def honest(seed: int, runs: int = 32, examples: int = 20) -> Floats:
    generator = np.random.default_rng(seed)
    shared = generator.normal(size=(runs, 1))
    return np.sqrt(0.3) * shared + np.sqrt(0.7) * generator.normal(size=(runs, examples))


def codes(margins: Floats, **options: object) -> list[str]:
    bank = Pool(margins=honest(0, runs=len(margins), examples=margins.shape[1]))
    return [finding.code for finding in diagnose(Pool(margins=margins), bank, **options)]  # type: ignore[arg-type]


@pytest.mark.parametrize("runs", [8, 32, 64, 256])
def test_honest_pools_raise_no_warning(runs: int) -> None:
    for seed in range(20):
        assert codes(honest(seed + 1, runs=runs)) == []


def test_collapsed_seeds() -> None:
    margins = honest(1)
    margins[5] = margins[9] + 1e-6
    bank = Pool(margins=honest(0))
    (finding,) = diagnose(Pool(margins=margins), bank)
    assert finding.code == "collapsed_runs"
    assert finding.message.startswith("2 of 32 runs have")
    assert codes(np.tile(margins[:1], (32, 1))) == ["collapsed_runs"]


def test_outlier_run() -> None:
    margins = honest(1)
    margins[3] += 60
    assert codes(margins) == ["outlier_runs"]


def test_unchanged_weights() -> None:
    margins, original = honest(1), honest(2)[0]
    margins[4] = original
    assert codes(margins, original=original) == ["unchanged_weights"]
    with pytest.raises(ValueError, match=r"\(20,\)"):
        codes(margins, original=original[:3])


@pytest.mark.parametrize("runs", [32, 64, 512])
def test_margins_played_as_quantiles(runs: int) -> None:
    quantiles = ndtri((np.arange(runs) + 0.5) / runs)
    noise = np.random.default_rng(0).normal(size=(runs, 20))
    assert codes(quantiles[:, None] * np.linspace(0.5, 2, 20) + noise / runs / 3) == ["regular_margins"]


def test_constant_margins_are_not_regular() -> None:
    assert regular_margins(np.zeros((32, 4))) is None


def test_non_finite_outputs_name_the_runs() -> None:
    outputs = np.zeros((8, 3, 4))
    assert non_finite_outputs(outputs) is None
    outputs[2, 1, 0] = np.inf
    outputs[5] = np.nan
    finding = non_finite_outputs(outputs)
    assert finding is not None
    assert finding.code == "non_finite_outputs"
    assert finding.message.startswith("2 of 8 runs")


def test_score_above_the_ceiling() -> None:
    bank = Pool(margins=honest(0))
    ceiling = evaluate(Pool(margins=honest(1) + 1.0), bank)
    unlearned = Pool(margins=honest(2))
    findings = diagnose(unlearned, bank, score=evaluate(unlearned, bank), ceiling=ceiling)
    assert "above_ceiling" in [finding.code for finding in findings]
    assert "above_ceiling" not in [
        finding.code for finding in diagnose(unlearned, bank, score=ceiling, ceiling=ceiling)
    ]


def test_a_ceiling_of_zero_is_the_finding_and_not_what_lies_above_it() -> None:
    bank, unlearned = Pool(margins=honest(0)), Pool(margins=honest(2))
    score, ceiling = evaluate(unlearned, bank), evaluate(Pool(margins=honest(1) + 99), bank)
    assert score.forgetting_quality > ceiling.forgetting_quality == 0
    findings = diagnose(unlearned, bank, score=score, ceiling=ceiling)
    assert [finding.code for finding in findings] == ["accuracies_missing", "ceiling_zero"]
    assert findings[1].message.startswith("The ceiling's forgetting quality is zero, so the normalised value is undef")


def test_memorised_margins_fail_on_flipped_copies() -> None:
    bank = Pool(margins=honest(0))
    unlearned = Pool(margins=honest(2))
    score, copies = evaluate(unlearned, bank), evaluate(Pool(margins=honest(2) + 3), bank)
    findings = diagnose(unlearned, bank, score=score, copies={"flipped": copies})
    assert [finding.code for finding in findings] == ["accuracies_missing", "copies_gap"]
    assert "flipped" in findings[1].message
    assert [f.code for f in diagnose(unlearned, bank, score=score, copies={"flipped": score})] == ["accuracies_missing"]
