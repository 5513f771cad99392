"""Measures of a drawn competition, and the tables and the sentence that are made of them."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lethe.evaluator.artifacts.outputs import StackedOutputs
from lethe.evaluator.bench.tables import (
    END,
    START,
    ResultsBlockMissing,
    Row,
    csv_table,
    format_value,
    markdown_table,
    sort_rows,
    verdict,
    write_block,
)
from lethe.evaluator.bench.tracking import log_rows
from lethe.evaluator.measures.inputs import inputs_of_pools
from lethe.evaluator.measures.measurements import measure_inputs
from lethe.evaluator.measures.registry import Value
from lethe.evaluator.metrics import Pool, evaluate, margins

RUNS, EXAMPLES, CLASSES = 8, 20, 3
LABELS = {part: np.arange(EXAMPLES) % CLASSES for part in ("forget", "test", "retain_sample")}


def models(seed: int, shift: float = 0.0) -> StackedOutputs:
    """Models that know retain and guess at test; `shift` moves their logits on the forget set."""
    generator = np.random.default_rng(seed)
    truth = np.eye(CLASSES)[LABELS["forget"]]
    strength = {"retain": 4.0, "test": 0.5, "forget": 0.5 + shift}
    logits = {
        part: (factor * truth + generator.normal(size=(RUNS, EXAMPLES, CLASSES))).astype(np.float32)
        for part, factor in strength.items()
    }
    accuracy = {
        part: (values.argmax(axis=2) == LABELS["forget"]).mean(axis=1).astype(np.float64)
        for part, values in logits.items()
    }
    return StackedOutputs(logits, accuracy | {"validation": accuracy["test"]})


ORACLES = models(1)


NAMES = (
    "forgetting_quality",
    "final_score",
    "forget_accuracy",
    "retain_accuracy",
    "test_accuracy",
    "klom",
    "wall_time",
)


def row(name: str, outputs: StackedOutputs, *, is_reference: bool = False) -> Row:
    pools = [
        Pool(
            margins=margins(one.logits["forget"], LABELS["forget"]),
            retain_accuracy=one.accuracy["retain"],
            test_accuracy=one.accuracy["test"],
            forget_accuracy=one.accuracy["forget"],
        )
        for one in (outputs, ORACLES)
    ]
    score = evaluate(pools[0], pools[1])
    inputs = inputs_of_pools(pools[0], pools[1], score=score)
    if not is_reference:
        inputs = replace(inputs, resources={"wall_s": 1 + 0.1 * np.arange(RUNS)})
    values = measure_inputs(inputs, NAMES).values
    return Row(name, {} if is_reference else {"EPOCHS": 2}, RUNS, values, score, is_reference=is_reference)


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    failed = Row("broken", {}, RUNS, {}, None, fault="exception in line 3: ValueError: no")
    return sort_rows(
        [
            failed,
            row("ceiling", models(2), is_reference=True),
            row("good", models(3)),
            row("finetune", models(4, shift=5.0)),
            row("alike", models(5, shift=5.0)),
        ]
    )


def test_csv_is_numbers_in_columns(rows: list[Row]) -> None:
    table = list(csv.DictReader(io.StringIO(csv_table(rows))))
    assert [line["method"] for line in table] == [one.name for one in rows]
    best = next(line for line in table if line["method"] == "good")
    assert float(best["final_score low"]) <= float(best["final_score"]) <= float(best["final_score high"])
    assert best["constants"] == "EPOCHS=2"
    failed = next(line for line in table if line["method"] == "broken")
    assert (failed["forgetting_quality"], failed["fault"]) == ("", "exception in line 3: ValueError: no")


def test_markdown(rows: list[Row]) -> None:
    lines = markdown_table(rows, ("final_score", "forget_accuracy", "wall_time")).splitlines()
    assert lines[0] == "| method | final score | UA | seconds |"
    assert lines[1] == "|---|---:|---:|---:|"
    assert len(lines) == 2 + len(rows)
    assert any(line.startswith("| *ceiling* |") and line.endswith(" |  |") for line in lines)
    assert "| 1.35 (1.15 to 1.55) |" in next(line for line in lines if line.startswith("| good "))
    assert lines[-1] == "| broken | exception in line 3: ValueError: no |"


def test_whole_table_is_one_for_each_question(rows: list[Row]) -> None:
    text = markdown_table(rows)
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## The score",
        "## Can the runs be told from oracles?",
        "## What do the networks predict?",
        "## What did it cost?",
    ]
    assert "| method | KLoM p50 | KLoM p90 | KLoM p95 | KLoM p99 |" in text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Value(0.0312345, 0.0241, 0.038), "0.031 (0.024 to 0.038)"),
        (Value(97.123), "97.1"),
        (Value(12345.6, 1, 2), "12346 (1.00 to 2.00)"),
        (Value(0.0), "0"),
        (None, ""),
    ],
)
def test_values_have_three_digits(value: Value | None, text: str) -> None:
    assert format_value(value) == text


def test_list_says_what_is_significant(rows: list[Row]) -> None:
    text = verdict(rows)
    assert "Significantly above plain fine-tuning (`finetune`): good." in text
    assert "Not to be told apart from plain fine-tuning (`finetune`): alike." in text
    assert "Significantly above the ceiling: none." in text
    assert verdict([one for one in rows if one.name != "finetune"]) == ""


def test_block_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text(f"before\n{START}\nold\n{END}\nafter\n")
    for text in ("new", "newer"):
        write_block(path, f"\n{text}\n")
        assert path.read_text() == f"before\n{START}\n{text}\n{END}\nafter\n"
    path.write_text("nothing")
    with pytest.raises(ResultsBlockMissing, match="results: start"):
        write_block(path, "new")


def test_mlflow_gets_one_run_a_row(rows: list[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    uri = (tmp_path / "runs").as_uri()
    log_rows(rows, uri=uri, experiment="tests")
    found = mlflow.tracking.MlflowClient(uri).search_runs(
        [mlflow.tracking.MlflowClient(uri).get_experiment_by_name("tests").experiment_id]
    )
    assert {one.data.params["method"] for one in found} == {"ceiling", "good", "finetune", "alike"}
    best = next(one for one in found if one.data.params["method"] == "good")
    assert best.data.params["EPOCHS"] == "2"
    metrics = best.data.metrics
    assert metrics["final_score_low"] <= metrics["final_score"] <= metrics["final_score_high"]
    assert metrics["klom_p95"] >= 0
