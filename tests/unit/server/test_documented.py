"""Commands, options, settings and calls stand in docs/reference.md, and faults where participants look for them."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from evaluator.contract.advice import Advice
from evaluator.contract.faults import FaultCode
from server.cli import app

ROOT = Path(__file__).parents[3]
# They run until they are stopped, or answer with an exit code and one line.
WITHOUT_JSON = {"lethe up", "lethe serve", "lethe control", "lethe worker", "lethe migrate", "lethe demo"}


def commands(command: Any, path: str) -> dict[str, Any]:
    if not hasattr(command, "commands"):
        return {path: command}
    return {
        key: one for name, inner in command.commands.items() for key, one in commands(inner, f"{path} {name}").items()
    }


COMMANDS = commands(typer.main.get_command(app), "lethe")


def test_the_reference_is_what_the_code_says() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/reference.py"], cwd=ROOT, env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == (ROOT / "docs/reference.md").read_text(encoding="utf-8"), "run: make reference"


@pytest.mark.parametrize("path", COMMANDS)
def test_commands_answer_programs(path: str) -> None:
    options = {option for parameter in COMMANDS[path].params for option in parameter.opts}
    assert ("--json" in options) == (path not in WITHOUT_JSON)


@pytest.mark.parametrize("code", [*FaultCode, *Advice])
def test_participants_find_every_code(code: str) -> None:
    assert f"`{code}`" in (ROOT / "docs/participants.md").read_text(encoding="utf-8")
