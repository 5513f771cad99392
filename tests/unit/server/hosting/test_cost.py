"""What a competition costs, by hand."""

import pytest

from lethe.evaluator.contract.data_sources import DigitsSpec
from lethe.evaluator.contract.specification import CompetitionSpec, EvaluationSpec, QuotasSpec, SplitSpec, TaskSpec
from lethe.server.hosting.cost import LOOKS_SAVE, Season, TaskSize, describe, estimate
from tests.prepared_competitions import COUNTS

SIZE = TaskSize(COUNTS, model_s=36.0, run_s=9.0, bank_bytes=1)


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
    cost = estimate(spec(), [SIZE], season)
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
    cost = estimate(spec(32), [SIZE], season)
    assert cost.runs_h_with_looks == pytest.approx(cost.runs_h / LOOKS_SAVE[spec().metric.rule])
    said = describe(cost, season, has_looks=True)
    assert "with looks, if a fifth of the uploads is truly better" in said
    assert "the season lasts 1 day, which is too short for 1 machine" in said


def test_each_task_counts_with_its_own_data_network_and_seconds() -> None:
    split = SplitSpec(final=True)
    tasks = (
        TaskSpec(name="faces", split=split),
        TaskSpec(name="digits, slow", data=DigitsSpec(source="digits"), split=split),
    )
    two = spec().model_copy(update={"tasks": tasks})
    season = Season(teams=10, submissions_per_day=5, days=6, gpus=2)
    fewer = COUNTS.model_copy(update={"forget": 50, "test": 40, "retain_sample": 10})
    slow = TaskSize(fewer, model_s=72.0, run_s=18.0, bank_bytes=2)
    alone, cost = estimate(spec(), [SIZE], season), estimate(two, [SIZE, slow], season)
    faces, digits = cost.tasks
    assert faces.models == alone.models
    assert digits.models == 2 * (128 + 1) + 1  # practice oracles are of the first task
    assert digits.training_h == pytest.approx(digits.models * 72 / 3600)
    assert cost.training_h == pytest.approx(faces.training_h + digits.training_h)
    assert cost.model_s * cost.models == pytest.approx(36 * faces.models + 72 * digits.models)
    assert (cost.runs, digits.runs_h) == (2 * alone.runs, pytest.approx(2 * alone.runs_h))
    assert cost.runs_h == pytest.approx(3 * alone.runs_h)
    assert cost.runs * cost.run_s == pytest.approx(3600 * cost.runs_h)
    assert digits.outputs_bytes == (7680 + 1280) * (50 + 40 + 10) * 10 * 4
    assert (cost.bank_bytes, cost.scoring_memory_bytes) == (3, alone.scoring_memory_bytes)
    said = describe(cost, season, has_looks=False).splitlines()
    assert f"{cost.models:,} models, {cost.model_s:.1f} s on average" in said[0]
    assert said[-1].startswith("task digits, slow: 259 models of 72.0 s, 5.2 h; 7,680 runs of 18.0 s, 38 h;")
    assert [task["name"] for task in cost.document()["tasks"]] == ["faces", "digits, slow"]
    assert "tasks" not in alone.document()
