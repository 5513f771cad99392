"""Sweep files: what they multiply to, how constants get into sources, and what is said of mistakes."""

import tomllib
from pathlib import Path

import pytest

from lethe.evaluator.bench.compare import specification_of
from lethe.evaluator.bench.sweep import Method, Sweep, SweepError, load_sweep, methods_of, with_constants

ROOT = Path(__file__).parents[4]
SOURCE = b'"""Text."""\nimport torch\r\nEPOCHS = 3  # passes\nNAME = "x"\ndef unlearning(a, b, c, d):\n    EPOCHS = 1\n'


def sweep(folder: Path, text: str) -> list[Method]:
    (folder / "mine.py").write_bytes(SOURCE)
    (folder / "sweep.toml").write_text(text)
    return methods_of(load_sweep(folder / "sweep.toml"), folder)


def test_lists_multiply(tmp_path: Path) -> None:
    methods = sweep(
        tmp_path,
        '[[methods]]\nfile = "noop"\n'
        '[[methods]]\nfile = "mine.py"\nconstants = { EPOCHS = [1, 2], NAME = ["a", "b"] }\n'
        '[[methods]]\nfile = "mine.py"\nname = "own"\nconstants = { EPOCHS = 7 }\n',
    )
    assert [method.name for method in methods] == [
        "noop",
        *(f"mine (EPOCHS={epochs}, NAME={name})" for epochs in (1, 2) for name in "ab"),
        "own",
    ]
    assert b"\nEPOCHS = 2\nNAME = 'a'\ndef unlearning" in methods[3].source
    assert methods[-1].constants == {"EPOCHS": 7}


def test_constants_leave_everything_else_as_it_is() -> None:
    changed = with_constants(SOURCE, {"EPOCHS": 5}, Path("mine.py"))
    assert changed == SOURCE.replace(b"EPOCHS = 3  # passes", b"EPOCHS = 5")
    assert with_constants(SOURCE, {}, Path("mine.py")) == SOURCE


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", "methods: Field required; x: Extra inputs"),
        ("methods = []", "at least 1 item"),
        ("= 3", "not valid TOML"),
        ('[[methods]]\nfile = "absent.py"', "cannot read .*absent.py: No such file"),
        ('[[methods]]\nfile = "mine.py"\nconstants = { EPOCH = 1 }', "does not assign EPOCH once"),
        ('[[methods]]\nfile = "noop"\n[[methods]]\nfile = "noop"', "two methods are called 'noop'"),
        ('runs = 4\n[[methods]]\nfile = "noop"', "runs: Input should be greater"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SweepError, match=message):
        sweep(tmp_path, text)


def test_shipped_sweep_has_every_baseline() -> None:
    path = ROOT / "benchmarks/sweeps/demo.toml"
    methods = methods_of(load_sweep(path), path.parent)
    assert len(methods) > 28
    files = {spec.file for spec in Sweep.model_validate(tomllib.loads(path.read_text())).methods}
    assert files == {found.stem for found in (ROOT / "baselines").glob("*.py")} - {"__init__"}


TASKS = """
slug = "two"
title = "Two"
{evaluation}
[[tasks]]
name = "faces"
[[tasks]]
name = "photographs"
[tasks.split]
forget_by = "example"
"""


def on_tasks(folder: Path, evaluation: str = "", **more: str) -> Sweep:
    (folder / "two.toml").write_text(TASKS.format(evaluation=evaluation))
    return Sweep.model_validate({"competition": "two.toml", "runs": 16, "methods": [{"file": "finetune"}]} | more)


def test_a_sweep_is_of_one_task(tmp_path: Path) -> None:
    chosen = specification_of(on_tasks(tmp_path, task="photographs"), tmp_path)
    assert (chosen.split.forget_by, chosen.tasks, chosen.evaluation.oracles) == ("example", (), 16)
    with pytest.raises(SweepError, match=r"has several tasks, and a sweep is of one: choose one of 'faces', 'photogr"):
        specification_of(on_tasks(tmp_path), tmp_path)
    with pytest.raises(SweepError, match="has no task 'people': choose one of 'faces'"):
        specification_of(on_tasks(tmp_path, task="people"), tmp_path)
    with pytest.raises(SweepError, match="has no task 'people': leave `task` out"):
        specification_of(Sweep.model_validate({"task": "people", "methods": [{"file": "finetune"}]}), tmp_path)


def test_a_sweep_runs_from_one_original(tmp_path: Path) -> None:
    sweep = on_tasks(tmp_path, "[evaluation]\noriginals = 3\n[audits]\nruns = 0", task="faces")
    with pytest.raises(SweepError, match="from 3 original models, and a sweep runs from one"):
        specification_of(sweep, tmp_path)
