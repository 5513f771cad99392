"""`lethe init` writes the page's starter file, and never over another."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lethe.server.cli import app
from lethe.server.errors import ConfigurationError
from lethe.server.pages.snippets import STARTER


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
