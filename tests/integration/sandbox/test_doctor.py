"""The audit of a machine on which the sandbox works."""

import os

import pytest

from lethe.sandbox import doctor

pytestmark = pytest.mark.component("bubblewrap")


def test_everything_required_is_found() -> None:
    findings = doctor.probe()
    assert [finding for finding in findings if finding.required and not finding.ok] == []
    names = [
        "kernel",
        "uid",
        "bubblewrap",
        "user namespaces",
        "interpreter",
        "temporary folder",
        "seccomp",
        "files in memory",
        "bytecode",
        "jail",
        "cgroups",
    ]
    assert [finding.name for finding in findings] == names
    doctor.require()


def test_the_mode_is_that_of_a_real_start() -> None:
    (jail,) = [finding for finding in doctor.probe() if finding.name == "jail"]
    assert doctor.mode() in jail.detail


def test_a_uid_that_is_somebody_else_s_is_noticed() -> None:
    (uid,) = [finding for finding in doctor.probe(uid=1) if finding.name == "uid"]
    if os.geteuid() != 0:
        assert "as you" in uid.detail
    else:
        assert (uid.ok, uid.remedy != "") == (False, True)
