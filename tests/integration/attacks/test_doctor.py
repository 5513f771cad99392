"""`lethe doctor`: every line is ok or names what mends it, and a breached sandbox is a failure."""

import json
import re
import shutil
from collections import namedtuple
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import lethe.attacks.case
from lethe.sandbox.doctor import HostFinding
from lethe.server.cli import app
from lethe.server.cli.installation import look
from lethe.server.cli.production import inspect
from lethe.server.database.engine import Database
from lethe.server.database.migration import migrate
from lethe.server.hosting.backup import BACKUP
from lethe.server.models import AuditEvent, User, Worker, WorkerKey
from lethe.server.settings import Settings
from tests.conftest import free_port
from tests.integration.attacks.conftest import CASES
from tests.integration.package_index import Index, open_folder

Doctor = Callable[..., Result]


@pytest.fixture
def doctor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Doctor:
    """`doctor(*arguments, **environment)` on a home folder that does not exist."""

    def run(*arguments: str, **environment: str) -> Result:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        return CliRunner().invoke(app, ["doctor", "--home", str(tmp_path / "home"), *arguments])

    return run


def found(settings: Settings, name: str) -> HostFinding:
    return next(finding for finding in look(settings) if finding.name == name)


@pytest.mark.component("bubblewrap")
def test_contained_attacks_are_a_table_and_no_failure(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    some = (CASES["read_host_files"], CASES["nesting_bomb"])
    monkeypatch.setattr(lethe.attacks.case, "load_cases", lambda: some)
    result = doctor("--attacks")
    assert result.exit_code == 0, result.output
    assert re.search(r"^ok    filesystem +read_host_files +contained", result.output, re.MULTILINE)
    assert re.search(r"^ok    static-check +nesting_bomb +contained", result.output, re.MULTILINE)
    assert "2 attacks on 2 layers: 2 contained" in result.output


@pytest.mark.component("bubblewrap")
def test_a_breach_is_a_failure_with_its_reason(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    some = (replace(CASES["read_host_files"], source=b"def unlearning(*_): return b'loot'\n"), CASES["connect_tcp"])
    monkeypatch.setattr(lethe.attacks.case, "load_cases", lambda: some)
    result = doctor("--attacks")
    assert result.exit_code == 1
    assert re.search(r"^FAIL  filesystem +read_host_files +breached +it gained something: b'loot'", result.output, re.M)
    answer = doctor("--attacks", "--json")
    assert answer.exit_code == 1
    told = json.loads(answer.stdout)
    assert [row["finding"] for row in told["attacks"]] == ["breached", "contained"]
    assert {"case", "layer", "summary", "seen", "reason", "wall_s"} <= set(told["attacks"][0])
    assert [row["name"] for row in told["findings"]][:3] == ["kernel", "uid", "bubblewrap"]


def test_without_a_sandbox_nothing_is_attacked(doctor: Doctor) -> None:
    result = doctor("--attacks", PATH="/nowhere")
    assert result.exit_code == 1
    assert "apt-get install bubblewrap" in result.output
    assert "not run" in result.output


def test_a_new_machine_lacks_nothing(tmp_path: Path) -> None:
    findings = look(Settings(home=tmp_path / "home"))
    names = ["disk", "temporary space", "gpu", "database", "broker", "artifacts", "layers", "package index"]
    assert [finding.name for finding in findings] == names
    assert [finding for finding in findings[:-1] if not finding.ok] == []  # not every machine has a package index
    assert not (tmp_path / "home").exists()


def test_whatever_is_wrong_names_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    url = f"127.0.0.1:{free_port()}"
    settings = Settings(
        home=tmp_path,
        database_url=f"postgresql://ann:geheim@{url}/lethe",
        broker_url=f"redis://:geheim@{url}/0",
        artifacts_url=f"file://{tmp_path / 'file'}",
    )
    findings = {finding.name: finding for finding in look(settings)}
    for name, is_required in (("database", True), ("broker", False), ("artifacts", True)):
        finding = findings[name]
        assert (finding.ok, finding.required) == (False, is_required), finding
        assert finding.remedy != ""
        assert "geheim" not in finding.detail
        assert "\n" not in finding.detail


def test_databases(database_url: str, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, database_url=database_url)
    before = found(settings, "database")
    assert (before.ok, before.remedy) == (False, "lethe migrate")
    database = Database(settings.database)
    with database.engine.begin():
        pass  # an empty database, as somebody has just made it
    assert found(settings, "database").remedy == "lethe migrate"
    migrate(database)
    after = found(settings, "database")
    assert (after.ok, after.required) == (True, True), after
    with database.write() as session:
        session.connection().exec_driver_sql("UPDATE alembic_version SET version_num = '0000'")
    assert found(settings, "database").remedy == "lethe migrate"
    database.dispose()


def test_what_a_public_site_has_in_its_database(database_url: str, tmp_path: Path) -> None:
    def look() -> dict[str, HostFinding]:
        return {finding.name: finding for finding in inspect(Settings(home=tmp_path, database_url=database_url), None)}

    def failed(found: dict[str, HostFinding]) -> set[str]:
        return {name for name, finding in found.items() if finding.required and not finding.ok}

    database = Database(database_url)
    migrate(database)
    with database.write() as session:
        session.add(
            User(username="Eve", username_key="eve", email="e", email_key="e", password_hash="", is_operator=True)
        )
    found = look()
    assert {"worker keys"} <= failed(found)
    assert found["operators"].detail == "Eve"
    assert (found["backup"].ok, found["backup"].required) == (False, False)
    with database.write() as session:
        key = WorkerKey(name="one", digest="d")
        session.add(key)
        session.add(AuditEvent(actor="cli", action=BACKUP, target="database"))
        session.flush()
        session.add(Worker(worker_key_id=key.id, name="w1", capabilities={"sandbox_mode": "unsafe-subprocess"}))
    found = look()
    assert found["worker keys"].ok
    assert found["backup"].ok
    assert "workers" in failed(found)
    assert "w1" in found["workers"].detail
    assert found["database kind"].ok is not database.is_sqlite
    if not database.is_sqlite:
        assert "UTF8" in found["database kind"].detail
        assert found["clocks"].ok
        assert found["durability"].detail.startswith("fsync = off")  # as the tests' server is started
        assert "ALTER SYSTEM RESET fsync" in found["durability"].remedy
    database.dispose()


def test_brokers(redis_url: str, tmp_path: Path) -> None:
    assert found(Settings(home=tmp_path, broker_url=redis_url), "broker").ok
    (tmp_path / "broker").mkdir()
    assert "writable" in found(Settings(home=tmp_path), "broker").detail
    silent = found(Settings(home=tmp_path, broker_url="redis://127.0.0.1:9/0"), "broker")
    assert (silent.ok, silent.remedy) == (False, "start it, or correct LETHE_BROKER_URL")


def test_artifact_stores(tmp_path: Path) -> None:
    assert found(Settings(home=tmp_path, artifacts_url="memory://"), "artifacts").ok
    missing = found(Settings(home=tmp_path, artifacts_url=f"file://{tmp_path / 'mount'}"), "artifacts")
    assert (missing.ok, missing.required) == (False, False)
    assert missing.remedy != ""


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10 << 30, 10 << 30, 100 << 20))
    disk = found(Settings(home=tmp_path), "disk")
    assert (disk.ok, disk.required) == (False, True)
    assert "LETHE_HOME" in disk.remedy
    assert "TMPDIR" in found(Settings(home=tmp_path), "temporary space").remedy


def test_a_home_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    disk = found(Settings(home=tmp_path / "file" / "home"), "disk")
    assert (disk.ok, disk.required) == (False, True)
    assert "is not a folder" in disk.detail


@pytest.mark.parametrize(
    ("script", "detail", "ok"),
    [
        ("echo 'GPU 0: NVIDIA H200 (UUID: GPU-1)'", "GPU 0: NVIDIA H200", True),
        ("echo 'No devices were found'", "none; evaluations use the processor", True),
        ("exit 9", "nvidia-smi fails", False),
    ],
)
def test_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, detail: str, ok: bool) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    gpu = found(Settings(home=tmp_path), "gpu")
    assert (gpu.ok, gpu.required) == (ok, False)
    assert detail in gpu.detail


def test_an_index_that_is_away_and_one_that_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"http://ann:geheim@127.0.0.1:{free_port()}/simple")
    away = found(Settings(home=tmp_path), "package index")
    assert (away.ok, away.required) == (False, False)
    assert "UV_DEFAULT_INDEX" in away.remedy
    assert "geheim" not in away.detail
    with open_folder() as folder:
        index = Index(folder)
        index.add_wheel("other", "1.0", {"other.py": ""})
        monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
        there = found(Settings(home=tmp_path), "package index")
        assert (there.ok, there.detail) == (True, "answers, and has no einops")


def test_a_layers_folder_that_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "layers"
    folder.mkdir()
    folder.chmod(0o777)
    monkeypatch.setenv("LETHE_LAYERS", str(folder))
    closed = found(Settings(home=tmp_path), "layers")
    assert closed.ok is False
    assert "LETHE_LAYERS" in closed.remedy


@pytest.mark.component("bubblewrap")
def test_the_backend_that_isolates_nothing_is_a_failure(doctor: Doctor) -> None:
    result = doctor(LETHE_SANDBOX_BACKEND="unsafe-subprocess")
    assert result.exit_code == 1
    assert "FAIL  jail: unsafe-subprocess isolates nothing" in result.output
    assert "unset LETHE_SANDBOX_BACKEND" in result.output


def test_a_gpu_that_is_named_and_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LETHE_GPU", "77")
    gpu = found(Settings(home=tmp_path), "gpu")
    assert (gpu.ok, gpu.required) == (False, True)
    assert "LETHE_GPU" in gpu.remedy
