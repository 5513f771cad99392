"""What a competition costs, by hand."""

import pytest

from lethe.evaluator.contract.specification import CompetitionSpec, EvaluationSpec, QuotasSpec, SplitSpec
from lethe.server.hosting.cost import LOOKS_SAVE, Season, describe, estimate
from tests.prepared_competitions import COUNTS


def spec(*looks: int) -> CompetitionSpec:
    evaluation = EvaluationSpec(runs=64, oracles=64, ceiling_oracles=64, looks=looks, final_selections=2)
    return CompetitionSpec(
        slug="c",
        title="C",
        evaluation=evaluation,
        split=SplitSpec(final=True),
        quotas=QuotasSpec(submissions_per_day=2),
    )


def test_a_season_by_hand() -> None:
    season = Season(teams=10, submissions_per_day=5, days=6, gpus=2)
    cost = estimate(spec(), COUNTS, season, model_s=36.0, run_s=9.0, bank_bytes=1)
    practice = spec().practice.oracles
    assert cost.models == 2 * (128 + 1) + 1 + practice
    assert cost.training_h == pytest.approx(cost.models / 100)
    assert (cost.submissions, cost.runs) == (120, 7680)  # no more than the quota of two a day
    assert cost.runs_h == pytest.approx(19.2)
    assert cost.season_days == pytest.approx(0.4)
    assert (cost.finals_runs, cost.finals_h) == (1280, pytest.approx(3.2))
    assert cost.outputs_bytes == (7680 + 1280) * (72 + 108 + 256) * 10 * 4


def test_looks_and_too_few_machines_are_said() -> None:
    season = Season(teams=1000, submissions_per_day=2, days=1, gpus=1)
    cost = estimate(spec(32), COUNTS, season, model_s=36.0, run_s=9.0, bank_bytes=1)
    assert cost.runs_h_with_looks == pytest.approx(cost.runs_h / LOOKS_SAVE[spec().metric.rule])
    said = describe(cost, season, has_looks=True)
    assert "with looks, if a fifth of the uploads is truly better" in said
    assert "1 machine needs longer than the 1 day that the season lasts" in said
