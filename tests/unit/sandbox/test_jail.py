"""The command line of the jail: what is bound, and that nothing is bound writable."""

import json
from pathlib import Path

import pytest

from lethe.sandbox import Policy, Setup
from lethe.sandbox.identity import Identity
from lethe.sandbox.image import Image
from lethe.sandbox.interpreter import Interpreter
from lethe.sandbox.jail import build_command
from lethe.sandbox.memory_files import IMAGE, OWN
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
            Path("/env/bin/python"),
        ),
        staging=Staging(Path("/stage")),
        image=Image(user_fd=8, mount_fd=9, files=0, size_bytes=0),
    )


def pairs(command: list[str], option: str) -> set[tuple[str, str]]:
    return {(command[i + 1], command[i + 2]) for i, word in enumerate(command) if word == option}


def test_nothing_is_bound_writable(command: list[str]) -> None:
    assert "--bind" not in command
    assert pairs(command, "--dev-bind") == {(f"/dev/{n}",) * 2 for n in ("null", "zero", "full", "random", "urandom")}
    assert command[command.index("--tmpfs") :].count("--remount-ro") == 2


def test_what_is_bound(command: list[str]) -> None:
    bound = pairs(command, "--ro-bind") | pairs(command, "--ro-bind-try")
    expected = {
        (f"{IMAGE}/sandbox/environment", "/sandbox/environment"),
        (f"{IMAGE}/base", "/base"),
        (f"{IMAGE}/usr", "/usr"),
        (f"{IMAGE}/etc/ld.so.cache", "/etc/ld.so.cache"),
        (f"{OWN}/code", "/sandbox/code"),
        (f"{OWN}/inputs", "/sandbox/inputs"),
        (f"{OWN}/proc", "/sandbox/proc"),
        (f"{OWN}/config.json", "/sandbox/config.json"),
        (f"{OWN}/etc/passwd", "/etc/passwd"),
        (f"{OWN}/etc/group", "/etc/group"),
        (f"{OWN}/layers", "/sandbox/layers"),
    }
    assert expected <= bound
    assert {target for _, target in bound - expected} <= {"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"}
    assert all(source.startswith(f"{IMAGE}/") for source, _ in bound)


def test_what_is_copied_for_this_jail_alone(command: list[str]) -> None:
    assert command[0] == "/env/bin/python"
    trees = dict(json.loads(command[command.index("/usr/bin/bwrap") - 1]))
    assert trees == {
        **{name: f"/stage/{name}" for name in ("code", "inputs", "etc", "proc", "config.json")},
        "layers/0": "/layers/a",
        "layers/1": "/layers/b",
    }


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
