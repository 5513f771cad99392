"""Measures of a drawn competition, and the tables and the sentence that are made of them."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest

from lethe.evaluator.artifacts.outputs import StackedOutputs
from lethe.evaluator.bench.estimates import estimate_measures, over_runs
from lethe.evaluator.bench.tables import (
    END,
    START,
    ResultsBlockMissing,
    Row,
    csv_table,
    markdown_table,
    sort_rows,
    verdict,
    write_block,
)
from lethe.evaluator.bench.tracking import log_rows
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


def row(name: str, outputs: StackedOutputs, *, is_reference: bool = False) -> Row:
    pools = [
        Pool(
            margins=margins(one.logits["forget"], LABELS["forget"]),
            retain_accuracy=one.accuracy["retain"],
            test_accuracy=one.accuracy["test"],
        )
        for one in (outputs, ORACLES)
    ]
    score = evaluate(pools[0], pools[1])
    measures = estimate_measures(
        score, outputs, ORACLES, LABELS, () if is_reference else [1.0 + 0.1 * run for run in range(RUNS)]
    )
    return Row(name, {} if is_reference else {"EPOCHS": 2}, RUNS, measures, score, is_reference=is_reference)


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


def test_measures(rows: list[Row]) -> None:
    measures = next(one.measures for one in rows if one.name == "finetune")
    attacks = ["MIA correctness", "MIA confidence", "MIA entropy", "MIA modified entropy", "MIA probability"]
    assert list(measures) == ["F", "score", "UA", "RA", "TA", "rUA", "fidelity", *attacks, "run time"]
    outputs = models(4, shift=5.0)
    assert measures["UA"].mean == pytest.approx(100 * outputs.accuracy["forget"].mean())
    assert measures["rUA"].mean == pytest.approx(
        100 * (outputs.accuracy["forget"].mean() - ORACLES.accuracy["forget"].mean())
    )
    assert measures["run time"].mean == pytest.approx(1.35)
    assert measures["MIA entropy"].mean > 60  # trained on, and it shows
    for estimate in measures.values():
        assert estimate.low <= estimate.mean <= estimate.high


def test_interval_over_runs() -> None:
    estimate = over_runs([1.0, 2.0, 3.0])
    assert estimate.mean == 2
    assert estimate.high - estimate.mean == pytest.approx(4.302653 / 3**0.5)


def test_csv_is_numbers_in_columns(rows: list[Row]) -> None:
    table = list(csv.DictReader(io.StringIO(csv_table(rows))))
    assert [line["method"] for line in table] == [one.name for one in rows]
    best = next(line for line in table if line["method"] == "good")
    assert float(best["score low"]) <= float(best["score"]) <= float(best["score high"])
    assert best["constants"] == "EPOCHS=2"
    failed = next(line for line in table if line["method"] == "broken")
    assert (failed["F"], failed["fault"]) == ("", "exception in line 3: ValueError: no")


def test_markdown(rows: list[Row]) -> None:
    lines = markdown_table(rows, ("score", "UA", "run time")).splitlines()
    assert lines[0] == "| method | final score | UA | seconds |"
    assert lines[1] == "|---|---:|---:|---:|"
    assert len(lines) == 2 + len(rows)
    assert any(line.startswith("| *ceiling* |") and line.endswith(" |  |") for line in lines)
    assert "| 1.35 ± 0.20 |" in next(line for line in lines if line.startswith("| good "))
    assert lines[-1] == "| broken | exception in line 3: ValueError: no |"


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
    assert best.data.metrics["score_low"] <= best.data.metrics["score"] <= best.data.metrics["score_high"]
    assert "MIA_modified_entropy" in best.data.metrics
