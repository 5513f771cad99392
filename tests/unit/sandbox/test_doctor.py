"""Findings name what is missing and what to do; `require` refuses when something required is."""

from pathlib import Path

import pytest

from sandbox import SandboxUnavailable, doctor


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
