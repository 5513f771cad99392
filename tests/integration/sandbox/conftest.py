"""A torch-free harness and open sandboxes for tests with the real bubblewrap."""

from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from lethe.sandbox import Allowance, Policy, RunResult, Sandbox, Setup, open_sandbox

MIB = 2**20
HARNESS = """
from lethe.sandbox.guest import InvalidResult, NoResult, define


def load(inputs):
    with open("/proc/self/maps") as maps:
        writable = [line.split()[0] for line in maps if " rw-p " in line]
    planted = "-".join(["planted", "in", "the", "zygote"])
    return {"inputs": inputs, "history": [], "writable": writable, "planted": planted}


def run(context, source, filename, function, seed):
    result = define(source, filename, function)(context, seed)
    if result is None:
        raise NoResult("nothing came back")
    if not isinstance(result, bytes):
        raise InvalidResult(f"{type(result).__name__} came back")
    return result
"""
POLICY = Policy(
    wall_s=10.0,
    cpu_s=60.0,
    memory_bytes=128 * MIB,
    processes=24,
    open_files=128,
    file_bytes=8 * MIB,
    scratch_bytes=16 * MIB,
    output_bytes=MIB,
    log_bytes=4096,
)

Run = Callable[..., RunResult]


@pytest.fixture(scope="session")
def tiny_setup(tmp_path_factory: pytest.TempPathFactory) -> Setup:
    folder = tmp_path_factory.mktemp("tiny")
    (folder / "tiny.py").write_text(HARNESS, encoding="utf-8")
    (folder / "data.bin").write_bytes(b"visible")
    (folder / "data.bin").chmod(0o600)
    return Setup(
        harness={"tiny.py": folder / "tiny.py"},
        harness_module="tiny",
        inputs={"data.bin": folder / "data.bin"},
        with_packages=False,
        start_s=60.0,
    )


@pytest.fixture(scope="session")
def policy() -> Policy:
    return POLICY


@pytest.fixture(scope="session")
def sandbox(tiny_setup: Setup, policy: Policy) -> Iterator[Sandbox]:
    with open_sandbox(tiny_setup, policy) as opened:
        yield opened


@pytest.fixture(scope="session")
def hasty(tiny_setup: Setup) -> Iterator[Sandbox]:
    """A sandbox whose clock runs out after 0.7 s."""
    with open_sandbox(tiny_setup, Policy(wall_s=0.7, processes=24, memory_bytes=128 * MIB, log_bytes=4096)) as opened:
        yield opened


def call(sandbox: Sandbox, source: str, *, seed: int = 1, allowance: Allowance | None = None) -> RunResult:
    return sandbox.run(dedent(source).lstrip("\n").encode(), function="f", seed=seed, allowance=allowance)


@pytest.fixture(scope="session")
def run(sandbox: Sandbox) -> Run:
    """`run(source)`: the result of `f(context, seed)` of an indented source in the shared sandbox."""
    return lambda source, **arguments: call(sandbox, source, **arguments)


@pytest.fixture(scope="session")
def run_hasty(hasty: Sandbox) -> Run:
    return lambda source, **arguments: call(hasty, source, **arguments)


@pytest.fixture(scope="session")
def run_in() -> Run:
    """`run_in(sandbox, source)`."""
    return call


@pytest.fixture(scope="session")
def outside_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of the host that everybody may read and no jail may show."""
    path = tmp_path_factory.mktemp("outside") / "secret.txt"
    path.write_text("planted", encoding="utf-8")
    path.chmod(0o644)
    return path
