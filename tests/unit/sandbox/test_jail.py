"""The command line of the jail: what is bound, and that nothing is bound writable."""

from pathlib import Path

import pytest

from lethe.sandbox import Policy, Setup
from lethe.sandbox.identity import Identity
from lethe.sandbox.interpreter import Interpreter
from lethe.sandbox.jail import build_command
from lethe.sandbox.staging import Staging

IDENTITY = Identity(uid=61_010, gid=61_010, drops=True)


@pytest.fixture
def command() -> list[str]:
    return build_command(
        7,
        bwrap="/usr/bin/bwrap",
        setup=Setup(
            harness={},
            harness_module="h",
            links={"/elsewhere/scratch": "/tmp"},  # noqa: S108
            extra_paths=(Path("/layers/a"), Path("/layers/b")),
        ),
        policy=Policy(threads=3),
        identity=IDENTITY,
        interpreter=Interpreter(
            Path("/sandbox/environment/bin/python"),
            {Path("/sandbox/environment"): Path("/env"), Path("/base"): Path("/base")},
        ),
        staging=Staging(Path("/stage")),
    )


def pairs(command: list[str], option: str) -> set[tuple[str, str]]:
    return {(command[i + 1], command[i + 2]) for i, word in enumerate(command) if word == option}


def test_nothing_is_bound_writable(command: list[str]) -> None:
    assert "--bind" not in command
    assert pairs(command, "--dev-bind") == {(f"/dev/{n}",) * 2 for n in ("null", "zero", "full", "random", "urandom")}
    assert command[command.index("--tmpfs") :].count("--remount-ro") == 2


def test_what_is_bound(command: list[str]) -> None:
    bound = pairs(command, "--ro-bind")
    expected = {
        ("/env", "/sandbox/environment"),
        ("/base", "/base"),
        ("/stage/code", "/sandbox/code"),
        ("/stage/inputs", "/sandbox/inputs"),
        ("/stage/proc", "/sandbox/proc"),
        ("/stage/config.json", "/sandbox/config.json"),
        ("/stage/etc/passwd", "/etc/passwd"),
        ("/layers/a", "/sandbox/layers/0"),
        ("/layers/b", "/sandbox/layers/1"),
    }
    assert expected <= bound
    system = {"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc/group"}
    assert {target for _, target in bound - expected} <= system


def test_links_are_made_before_the_root_becomes_read_only(command: list[str]) -> None:
    assert ("/tmp", "/elsewhere/scratch") in pairs(command, "--symlink")  # noqa: S108
    assert command.index("/elsewhere/scratch") < len(command) - command[::-1].index("--remount-ro")


def test_namespaces_and_environment(command: list[str]) -> None:
    for kind in ("user", "pid", "net", "ipc", "uts"):
        assert f"--unshare-{kind}" in command
    assert "--clearenv" in command
    environment = dict(pairs(command, "--setenv"))
    assert environment["OMP_NUM_THREADS"] == environment["MKL_NUM_THREADS"] == "3"
    assert environment["PYTHONHASHSEED"] == "0"
    assert command[-1] == "7"
