"""`lethe init` writes the page's starter file, and never over another."""

import ast
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lethe.server.cli import app
from lethe.server.errors import ConfigurationError
from lethe.server.pages.snippets import STARTER
from lethe.server.pages.starter_notebook import starter_notebook


def test_init(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    done = CliRunner().invoke(app, ["init", str(file)])
    assert done.exit_code == 0
    assert f"lethe check {file}" in done.stdout
    assert file.read_text() == STARTER
    file.write_text("my work")
    assert isinstance(CliRunner().invoke(app, ["init", str(file)]).exception, ConfigurationError)
    assert file.read_text() == "my work"
    assert json.loads(CliRunner().invoke(app, ["init", str(file), "--force", "--json"]).stdout) == {"file": str(file)}
    assert file.read_text() == STARTER
    with pytest.raises(ConfigurationError, match="cannot write"):
        raise CliRunner().invoke(app, ["init", str(tmp_path / "no" / "folder.py")]).exception or AssertionError


def test_init_of_a_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LETHE_SERVER", "https://lethe.example")
    done = CliRunner().invoke(app, ["init", "--notebook", "-c", "our-people"])
    assert done.exit_code == 0
    assert "submission.ipynb is written, for our-people. Next: open it in Jupyter" in done.stdout
    text = (tmp_path / "submission.ipynb").read_text()
    assert text == starter_notebook("our-people", "https://lethe.example")
    for cell in json.loads(text)["cells"]:
        assert cell["cell_type"] == "markdown" or ast.parse("".join(cell["source"]))
    refused = CliRunner().invoke(app, ["init", "mine.py", "-c", "our-people"])
    assert refused.exit_code == 2
    assert "leave out -c, or say --notebook" in refused.output
    assert not (tmp_path / "mine.py").exists()
