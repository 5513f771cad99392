"""Sweep files: what they multiply to, how constants get into sources, and what is said of mistakes."""

import tomllib
from pathlib import Path

import pytest

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
