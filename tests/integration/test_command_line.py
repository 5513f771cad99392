"""The command line's own manners: one-line errors, exit codes, JSON for programs."""

import json
import os
import shutil
import socket
import sqlite3
import subprocess
from pathlib import Path

import pytest

from tests.commands import run_lethe
from tests.conftest import LIGHT_WORKERS


def lethe(*arguments: str, home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LETHE_")} | LIGHT_WORKERS
    return run_lethe(*arguments, cwd="/", environment={**kept, "LETHE_HOME": str(home), **environment})


def one_line(result: subprocess.CompletedProcess[str]) -> str:
    """The only line of an error; a traceback fails the test."""
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("lethe: ")
    return lines[0]


def test_help_names_every_command(tmp_path: Path) -> None:
    result = lethe("--help", home=tmp_path)
    assert result.returncode == 0
    for command in ("check", "submit", "status", "leaderboard", "score", "demo", "up", "serve", "control", "worker",
                    "migrate", "doctor", "admin"):  # fmt: skip
        assert f" {command} " in result.stdout, command


@pytest.mark.parametrize("command", ["serve", "up", "demo"])
def test_taken_port(command: str, tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = str(holder.getsockname()[1])
        assert lethe("migrate", home=tmp_path).returncode == 0
        result = lethe(command, "--port", port, home=tmp_path)
    assert result.returncode == 1
    assert f"127.0.0.1:{port}" in one_line(result)
    assert "--port" in one_line(result)


@pytest.mark.parametrize("command", [("worker", "list"), ("backup", "copy"), ("prune", "--yes"), ("audit",)])
def test_an_admin_command_finds_no_site_and_makes_none(command: tuple[str, ...], tmp_path: Path) -> None:
    result = lethe("admin", *command, home=tmp_path / "home")
    assert result.returncode == 1
    assert f"there is no site in {tmp_path}/home; lethe up makes one" in one_line(result)
    assert not (tmp_path / "home").exists()


def test_an_admin_command_leaves_an_older_schema_as_it_is(tmp_path: Path) -> None:
    """A `serve` of the former version may still run on it."""
    assert lethe("migrate", home=tmp_path).returncode == 0
    with sqlite3.connect(tmp_path / "lethe.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0018'")
    for command in (("worker", "list"), ("worker-key", "create", "one")):
        result = lethe("admin", *command, home=tmp_path)
        assert result.returncode == 1
        assert "the database has schema 0018, this Lethe needs" in one_line(result)
        assert "run lethe migrate" in result.stderr


@pytest.mark.parametrize("command", [("serve",), ("control",), ("migrate",), ("admin", "competition", "open", "x")])
def test_unwritable_home(command: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = lethe(*command, home=tmp_path / "file" / "home")
    assert result.returncode == 1
    assert "LETHE_HOME" in one_line(result)


def test_unknown_competition_and_specification(tmp_path: Path) -> None:
    assert lethe("migrate", home=tmp_path).returncode == 0
    for arguments, word in (
        (("admin", "competition", "open", "nowhere"), "nowhere"),
        (("admin", "oracles", "seed", "nowhere"), "nowhere"),
        (("admin", "competition", "create", "nowhere.toml"), "demo"),
    ):
        result = lethe(*arguments, home=tmp_path)
        assert result.returncode == 1
        assert word in one_line(result)


def test_server_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("def unlearning(a, b, c, d): pass\n")
    result = lethe("submit", str(tmp_path / "a.py"), "-c", "demo", "--server", "http://127.0.0.1:9", home=tmp_path)
    assert result.returncode == 1
    assert "LETHE_SERVER" in one_line(result)


def test_wrong_usage_has_exit_code_2(tmp_path: Path) -> None:
    assert lethe("submit", home=tmp_path).returncode == 2
    assert lethe("nothing", home=tmp_path).returncode == 2


def test_wrong_settings_are_named_as_the_operator_wrote_them(tmp_path: Path) -> None:
    broken = lethe("doctor", home=tmp_path, LETHE_SANDBOX_UID="0", LETHE_SANDBOX_BACKEND="nope")
    assert broken.returncode == 1
    assert {"LETHE_SANDBOX_UID", "LETHE_SANDBOX_BACKEND"} <= set(one_line(broken).replace(":", "").split())
    missing = lethe("worker", home=tmp_path, LETHE_SERVER_URL="http://127.0.0.1:9")
    assert missing.returncode == 1
    assert "LETHE_WORKER_KEY: Field required" in one_line(missing)


def test_check_refuses_a_bad_file_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("def unlearning(net):\n    pass\n")
    result = lethe("check", str(tmp_path / "bad.py"), home=tmp_path)
    assert result.returncode == 1
    assert result.stderr.startswith("wrong_parameters: ")
    assert not list(tmp_path.glob("practice/*"))


@pytest.mark.parametrize(("name", "what"), [("plot.txt", "name a .png or .svg file"), ("no/plot.png", "no folder")])
def test_check_refuses_a_plot_that_it_could_not_draw(tmp_path: Path, name: str, what: str) -> None:
    (tmp_path / "good.py").write_text("def unlearning(net, retain, forget, validation):\n    pass\n")
    result = lethe("check", str(tmp_path / "good.py"), "--plot", str(tmp_path / name), home=tmp_path)
    assert result.returncode == 2
    assert what in result.stderr
    assert not list(tmp_path.glob("practice/*"))


@pytest.mark.component("bubblewrap")
def test_doctor_as_json(tmp_path: Path) -> None:
    result = lethe("doctor", "--json", home=tmp_path)
    findings = json.loads(result.stdout)
    assert result.returncode == 0, result.stdout
    assert {"name", "ok", "required", "detail", "remedy"} <= set(
        (findings if isinstance(findings, list) else findings["findings"])[0]
    )


def test_worker_without_bubblewrap_says_how_to_install_it(tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("setpriv", "uname", "sh"):
        if (found := shutil.which(name)) is not None:
            (tools / name).symlink_to(found)
    result = lethe(
        "worker", home=tmp_path, PATH=str(tools), LETHE_SERVER_URL="http://127.0.0.1:9", LETHE_WORKER_KEY="lethew_k",
        LETHE_BROKER_URL=f"filesystem://{tmp_path}/broker", LETHE_ARTIFACTS_URL=f"file://{tmp_path}/artifacts",
    )  # fmt: skip
    assert result.returncode == 1
    assert "bubblewrap" in one_line(result)
    assert "apt-get install bubblewrap" in one_line(result)


def test_accounts_are_made_and_every_act_is_in_the_audit_log(tmp_path: Path) -> None:
    made = lethe("admin", "user", "create", "ann", "ann@example.org", "--operator", home=tmp_path,
                 LETHE_NEW_PASSWORD="correct horse")  # fmt: skip
    assert made.returncode == 0, made.stderr
    short = lethe("admin", "user", "create", "bob", "bob@example.org", home=tmp_path, LETHE_NEW_PASSWORD="short")
    assert (short.returncode, "8 characters" in short.stderr) == (2, True)
    users = json.loads(lethe("admin", "user", "list", "--json", home=tmp_path).stdout)
    assert [(user["username"], user["operator"]) for user in users] == [("ann", True)]
    events = json.loads(lethe("admin", "audit", "--json", home=tmp_path).stdout)
    assert [event["action"] for event in events] == ["user.role", "user.create"]
    assert "correct horse" not in json.dumps(events)
