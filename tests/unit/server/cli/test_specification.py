"""`lethe admin competition spec` prints what a key may be; `init` writes a file that `create` reads."""

import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from lethe.evaluator.contract.specification_file import load_specification
from lethe.evaluator.contract.specification_keys import all_keys, find, json_schema, sections
from lethe.server.cli import app
from lethe.server.errors import ConfigurationError


def lethe(*words: str) -> Result:
    return CliRunner().invoke(app, ["admin", "competition", *words])


def test_the_table_has_every_key_and_fits_into_80_columns() -> None:
    lines = lethe("spec").stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert [line[1:-1] for line in lines if line.startswith("[")] == [name for name in sections() if name]
    assert [line.split()[0] for line in lines if line.startswith("  ")] == [one.name for one in all_keys()]
    assert "  learning_rate           0.001           Step size of the optimizer, before th…" in lines


def test_a_key_is_printed_in_full() -> None:
    assert lethe("spec", "training.crop_padding").stdout == (
        "training.crop_padding\n"
        "  Shift by up to this many pixels and fill with zeros\n"
        "  type       whole number\n"
        "  unit       pixels\n"
        "  values     0 to 64\n"
        "  default    0\n"
        "  seen by    everybody\n"
    )


def test_a_table_is_printed_with_all_its_keys() -> None:
    lines = lethe("spec", "dependencies").stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0] == "[dependencies]"
    assert lines[1].startswith("Which packages a submission's script block may name")
    assert [line for line in lines if line.startswith("dependencies.")] == [one.path for one in find("dependencies")]
    assert any(line.endswith('"umap-learn"]') for line in lines)


def test_an_unknown_key_names_the_nearest() -> None:
    done = lethe("spec", "training.epoch")
    assert done.exit_code == 2
    assert "no key or table called 'training.epoch': did you mean training.epochs" in " ".join(done.stderr.split())
    assert "lists all of them" in " ".join(lethe("spec", "xyzzy").stderr.split())


def test_programs_get_json() -> None:
    (key,) = json.loads(lethe("spec", "evaluation.runs", "--json").stdout)
    assert (key["key"], key["default"], key["seen_by"], key["values"]) == (
        "evaluation.runs",
        "32",
        "everybody",
        "8 or more",
    )
    assert len(json.loads(lethe("spec", "--json").stdout)) == len(all_keys())
    assert json.loads(lethe("spec", "--schema").stdout) == json_schema()


def test_init_writes_a_file_and_its_schema_and_overwrites_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = lethe("init", "people.toml", "--source", "digits")
    assert done.exit_code == 0, done.output
    assert "Next: edit it, then lethe admin competition create people.toml" in done.stdout
    assert load_specification(Path("people.toml")).data.source == "digits"
    assert json.loads((tmp_path / ".lethe-schema.json").read_text()) == json_schema()
    again = lethe("init", "people.toml")
    assert isinstance(again.exception, ConfigurationError)
    assert "people.toml already exists" in str(again.exception)
    assert load_specification(Path("people.toml")).data.source == "digits"
    assert json.loads(lethe("init", "--json").stdout)["file"] == "competition.toml"
    assert "'flickr' is none of synthetic-faces" in " ".join(
        lethe("init", "x.toml", "--source", "flickr").stderr.split()
    )
    assert not (tmp_path / "x.toml").exists()
