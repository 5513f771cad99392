"""Findings name what is missing and what to do; `require` refuses when something required is."""

import os
from pathlib import Path

import pytest

from lethe.sandbox import SandboxUnavailable, Setup, doctor
from lethe.sandbox.image_contents import Contents
from lethe.sandbox.interpreter import Interpreter


@pytest.mark.slow
def test_without_bubblewrap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    findings = {finding.name: finding for finding in doctor.probe()}
    assert not findings["bubblewrap"].ok
    assert findings["bubblewrap"].remedy == "apt-get install bubblewrap"
    assert not findings["jail"].ok
    with pytest.raises(SandboxUnavailable, match=r"bubblewrap is not installed \(apt-get install bubblewrap\)"):
        doctor.require()


def test_an_interpreter_that_is_not_there(tmp_path: Path) -> None:
    findings = {finding.name: finding for finding in doctor.probe(python=tmp_path / "none")}
    assert not findings["interpreter"].ok
    assert str(tmp_path) in findings["interpreter"].detail
    assert findings["interpreter"].remedy


def test_an_interpreter_that_does_not_run(tmp_path: Path) -> None:
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o755)
    finding = next(each for each in doctor.probe(python=program) if each.name == "interpreter")
    assert (finding.ok, finding.detail != finding.remedy, finding.remedy != "") == (False, True, True)


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_a_uid_that_the_container_does_not_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_UID_MAP", tmp_path / "uid_map")
    (tmp_path / "uid_map").write_text("         0       1000          1\n         1     100000      65536\n")
    assert next(each for each in doctor.probe() if each.name == "uid").ok
    (tmp_path / "uid_map").write_text("         0       1000          1\n")
    finding = next(each for each in doctor.probe() if each.name == "uid")
    assert (finding.ok, finding.required) == (False, True)
    assert "LETHE_SANDBOX_UID" in finding.remedy


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("_MAX_NAMESPACES", "0", "sysctl -w user.max_user_namespaces=15000"),
        ("_DEBIAN_SWITCH", "0", "sysctl -w kernel.unprivileged_userns_clone=1"),
        ("_APPARMOR_SWITCH", "1", "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"),
    ],
)
def test_remedies_for_user_namespaces(
    name: str, value: str, remedy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for switch in ("_MAX_NAMESPACES", "_DEBIAN_SWITCH", "_APPARMOR_SWITCH"):
        monkeypatch.setattr(doctor, switch, tmp_path / switch)
    (tmp_path / name).write_text(f"{value}\n")
    assert next(doctor._namespace_remedies()).startswith(remedy)


def test_every_failed_finding_has_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert all(finding.ok or finding.remedy for finding in doctor.probe(python=Path("/nowhere/python")))


def test_modules_without_bytecode_are_noticed(tmp_path: Path) -> None:
    interpreter = Interpreter(
        host=Path("python"), executable=Path("python"), binds={}, tag="cpython-311", packages=(tmp_path,)
    )
    compiled = {f"/p/__pycache__/m{place}.cpython-311.pyc": "" for place in range(18)}
    sources = {f"/p/m{place}.py": "" for place in range(20)}
    setup = Setup(harness={}, harness_module="m")
    assert doctor._check_bytecode(setup, interpreter, Contents({**sources, **compiled})).ok
    finding = doctor._check_bytecode(setup, interpreter, Contents({**sources, "/p/other.py": "", **compiled}))
    assert (finding.ok, finding.required, str(tmp_path) in finding.remedy) == (False, False, True)
