"""Measures of a drawn competition, and the tables and the sentence that are made of them."""

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lethe.evaluator.artifacts.mlflow_target import TrackingUnavailable, open_experiment
from lethe.evaluator.artifacts.outputs import StackedOutputs
from lethe.evaluator.bench.against import reference_of, with_comparisons
from lethe.evaluator.bench.rows import Row, Run, sort_rows
from lethe.evaluator.bench.sweep import SweepError
from lethe.evaluator.bench.tables import (
    END,
    START,
    ResultsBlockMissing,
    comparison_table,
    csv_table,
    format_value,
    latex_table,
    latex_tables,
    markdown_table,
    runs_table,
    verdict,
    write_block,
)
from lethe.evaluator.bench.tracking import ROW, log_rows
from lethe.evaluator.bench.utility import utility_of
from lethe.evaluator.measures.inputs import inputs_of_pools
from lethe.evaluator.measures.measurements import measure_inputs
from lethe.evaluator.measures.registry import Value
from lethe.evaluator.metrics import Pool, evaluate, margins, paired_difference
from lethe.evaluator.metrics.comparison import holm, p_value

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
    runs = tuple(
        Run(
            index,
            7 + index,
            {part: float(of_part[index]) for part, of_part in outputs.accuracy.items()},
            1.0,
            None,
            2**21,
            None,
        )
        for index in range(RUNS)
    )
    return Row(
        name,
        {} if is_reference else {"EPOCHS": 2},
        RUNS,
        values,
        score,
        is_reference=is_reference,
        key=f"key of {name}",
        each=() if is_reference else runs,
    )


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    failed = Row("broken", {}, RUNS, {}, None, fault="exception in line 3: ValueError: no")
    found = [
        failed,
        row("ceiling", models(2), is_reference=True),
        row("good", models(3)),
        row("finetune", models(4, shift=5.0)),
        row("alike", models(5, shift=5.0)),
    ]
    return with_comparisons(sort_rows(found), "finetune")


def test_csv_is_numbers_in_columns(rows: list[Row]) -> None:
    table = list(csv.DictReader(io.StringIO(csv_table(rows))))
    assert [line["method"] for line in table] == [one.name for one in rows]
    best = next(line for line in table if line["method"] == "good")
    assert float(best["final_score low"]) <= float(best["final_score"]) <= float(best["final_score high"])
    assert best["constants"] == "EPOCHS=2"
    assert float(best["final_score se"]) > 0
    assert (best["reference"], float(best["p holm"]) < 0.05) == ("finetune", True)
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


def test_latex(rows: list[Row]) -> None:
    odd = replace(rows[-1], name="50%_[a]\\b", fault="x & y")
    lines = latex_table([*rows, odd], ("final_score", "forget_accuracy", "wall_time")).splitlines()
    assert lines[:2] == [r"\begin{tabular}{lrrr}", r"\toprule"]
    assert lines[2:4] == [r"method & final score & UA & seconds \\", r"\midrule"]
    assert r" & 1.35 [1.15, 1.55] \\" in next(line for line in lines if line.startswith("good "))
    assert any(line.startswith(r"\emph{ceiling} & ") and line.endswith(r" &  \\") for line in lines)
    assert lines[-4] == r"broken & \multicolumn{3}{l}{exception in line 3: ValueError: no} \\"
    assert lines[-3] == r"50\%\_{[}a]\textbackslash{}b & \multicolumn{3}{l}{x \& y} \\"
    assert lines[-2:] == [r"\bottomrule", r"\end{tabular}"]
    whole = latex_tables(rows)
    assert whole.count(r"\begin{tabular}") == whole.count(r"\end{tabular}") == 5
    assert "% The short table\n" in whole
    assert "% What did it cost?\n" in whole


@pytest.mark.parametrize("cap", [True, False])
def test_utility_is_the_ratios_of_the_score(cap: bool) -> None:
    pools = {}
    for name, outputs in (("ours", models(4)), ("oracles", ORACLES)):
        pools[name] = Pool(
            margins=margins(outputs.logits["forget"], LABELS["forget"]),
            retain_accuracy=outputs.accuracy["retain"],
            test_accuracy=outputs.accuracy["test"],
            forget_accuracy=outputs.accuracy["forget"],
        )
    score = evaluate(pools["ours"], pools["oracles"], cap_ratios=cap)
    found = utility_of(inputs_of_pools(pools["ours"], pools["oracles"], score=score), cap=cap)
    assert found.value == score.retain_ratio * score.test_ratio
    assert found.low <= found.value <= found.high
    assert found.error > 0


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
    assert "Significantly above `finetune`: good." in text
    assert "Not to be told apart from `finetune`: alike." in text
    assert "Significantly above the ceiling: none." in text
    assert verdict(with_comparisons([replace(one, against=None) for one in rows], None)) == ""
    assert verdict(with_comparisons([replace(one, against=None) for one in rows], "broken")) == ""


def test_methods_are_compared_with_the_reference(rows: list[Row]) -> None:
    of = {one.name: one for one in rows}
    good, alike, plain = of["good"], of["alike"], of["finetune"]
    paired = paired_difference(good.score, plain.score)
    assert (plain.against, of["broken"].against) == (None, None)
    assert (good.against.difference, good.against.interval) == (paired.difference, paired.interval)
    assert good.against.p_value == p_value(paired, len(plain.score.replicates) - 1) < 0.05 < alike.against.p_value
    assert [good.against.adjusted_p_value, alike.against.adjusted_p_value] == holm(
        [good.against.p_value, alike.against.p_value]
    )
    lines = comparison_table(rows).splitlines()
    assert any(line.startswith("| good | ") and line.count("|") == 6 for line in lines)
    assert any(line.startswith("| *ceiling* | ") and line.endswith(" |  |") for line in lines)


def test_every_run_is_a_line(rows: list[Row]) -> None:
    table = list(csv.DictReader(io.StringIO(runs_table(rows))))
    assert [line["method"] for line in table].count("good") == RUNS
    assert len(table) == 3 * RUNS
    first = next(line for line in table if line["method"] == "good")
    good = next(one for one in rows if one.name == "good")
    assert (first["run"], first["seed"], first["constants"]) == ("0", "7", "EPOCHS=2")
    assert float(first["retain accuracy (%)"]) == pytest.approx(100 * good.each[0].accuracies["retain"])
    assert (first["peak memory (MiB)"], first["processor time (s)"]) == ("2.0", "")
    mean = np.mean([float(line["test accuracy (%)"]) for line in table if line["method"] == "good"])
    assert mean == pytest.approx(good.measures["test_accuracy"].value)


def test_a_reference_that_there_is_not_is_refused() -> None:
    assert reference_of(None, ["noop", "finetune"]) == "finetune"
    assert reference_of(None, ["noop"]) is None
    assert reference_of("ceiling", ["noop"]) == "ceiling"
    with pytest.raises(SweepError, match="no method 'mine' to compare with; there are: noop; ceiling; floor"):
        reference_of("mine", ["noop"])


def test_block_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text(f"before\n{START}\nold\n{END}\nafter\n")
    for text in ("new", "newer"):
        write_block(path, f"\n{text}\n")
        assert path.read_text() == f"before\n{START}\n{text}\n{END}\nafter\n"
    path.write_text("nothing")
    with pytest.raises(ResultsBlockMissing, match="results: start"):
        write_block(path, "new")


def logged(target: str, experiment: str) -> list[Any]:
    client, identity = open_experiment(target, experiment)
    return client.search_runs([identity])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of MLflow itself, about its own use of SQLAlchemy
def test_mlflow_gets_one_run_a_row_however_often(rows: list[Row], tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    target = str(tmp_path / "runs")
    for _ in range(2):
        log_rows(rows, target=target, experiment="tests", provenance={"lethe": "1"})
    found = logged(target, "tests")
    assert sorted(one.data.params["method"] for one in found) == ["alike", "ceiling", "finetune", "good"]
    best = next(one for one in found if one.data.params["method"] == "good")
    assert best.data.params["EPOCHS"] == "2"
    metrics = best.data.metrics
    assert metrics["final_score_low"] <= metrics["final_score"] <= metrics["final_score_high"]
    assert metrics["final_score_se"] == next(one for one in rows if one.name == "good").score.standard_error
    assert metrics["klom_p95"] >= 0
    assert (tmp_path / "runs" / "artifacts" / best.info.run_id / "artifacts" / "provenance.json").exists()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_mlflow_replaces_what_a_killed_call_left(rows: list[Row], tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    target, good = str(tmp_path), [one for one in rows if one.name == "good"]
    client, identity = open_experiment(target, "tests")
    client.create_run(identity, run_name="good", tags={ROW: good[0].key})
    log_rows(good, target=target, experiment="tests", provenance={})
    assert [one.info.status for one in logged(target, "tests")] == ["FINISHED"]


@pytest.mark.filterwarnings("ignore")
def test_mlflow_that_cannot_write_is_said_before_the_work(tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(TrackingUnavailable, match="holds something else"):
        open_experiment(str(tmp_path), "tests")
    with pytest.raises(TrackingUnavailable, match=r"--mlflow http://127\.0\.0\.1:9: .*refused"):
        open_experiment("http://127.0.0.1:9", "tests")
    with pytest.raises(TrackingUnavailable, match=r"notes\.txt"):
        open_experiment(str(tmp_path / "notes.txt"), "tests")
