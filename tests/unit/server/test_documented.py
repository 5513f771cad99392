"""Commands, options, settings and calls stand in docs/reference.md, and faults where participants look for them."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from lethe.evaluator.contract.advice import Advice
from lethe.evaluator.contract.faults import FaultCode
from lethe.server.cli import app

ROOT = Path(__file__).parents[3]
# They run until they are stopped, or answer with an exit code and one line.
WITHOUT_JSON = {"lethe up", "lethe serve", "lethe control", "lethe worker", "lethe migrate", "lethe demo"}

READS = {
    *(f"competition {read}" for read in ("list", "show", "spec", "init", "cost")),
    *(
        "audit",
        "backup",
        "competition export",
        "oracles status",
        "oracles verify",
        "user list",
        "worker list",
        "worker-key list",
    ),
}
ACTIONS = {
    **{
        f"competition {action}": f"competition.{action}"
        for action in ("create", "open", "pause", "extend", "close", "announce")
    },
    **{
        f"competition {action}": f"competition.{action}"
        for action in ("recheck", "finals", "reveal", "benchmark", "edit", "delete")
    },
    **{f"oracles {action}": f"oracles.{action}" for action in ("seed", "import", "export", "recall", "prune")},
    **{action: f"competition.{action}" for action in ("calibrate", "rescore")},
    **{action: f"storage.{action}" for action in ("prune", "restore")},
    **{f"user {action}": f"user.{action}" for action in ("create", "role", "disable", "invite", "email", "delete")},
    "user reset-password": "user.reset_password",
    "submission rerun": "submission.rerun",
    "submission complete": "submission.complete",
    "submission disqualify": "submission.disqualify",
    "team disqualify": "team.disqualify",
    "team baseline": "team.baseline",
    "team remove": "team.remove",
    **{f"worker-key {action}": f"worker_key.{action}" for action in ("create", "renew", "delete")},
    **{f"worker {action}": f"worker.{action}" for action in ("drain", "disable", "enable")},
}


def commands(command: Any, path: str) -> dict[str, Any]:
    if not hasattr(command, "commands"):
        return {path: command}
    return {
        key: one for name, inner in command.commands.items() for key, one in commands(inner, f"{path} {name}").items()
    }


COMMANDS = commands(typer.main.get_command(app), "lethe")


@pytest.mark.slow
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


def test_every_command_of_hosts_and_operators_is_an_action_or_only_reads() -> None:
    """The audit log has every action; the tests of each action check its record."""
    admin = {path.removeprefix("lethe admin ") for path in COMMANDS if path.startswith("lethe admin ")}
    assert ACTIONS.keys() | READS == admin
    assert not ACTIONS.keys() & READS
    recorded = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "server").rglob("*.py"))
    for action in ACTIONS.values():
        assert f'"{action}"' in recorded


@pytest.mark.parametrize("code", [*FaultCode, *Advice])
def test_participants_find_every_code(code: str) -> None:
    assert f"`{code}`" in (ROOT / "docs/participants.md").read_text(encoding="utf-8")
