"""The backend that isolates nothing answers as the others do, says what it is, and is never used by mistake."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lethe.sandbox import Backend, Policy, RunResult, Sandbox, SandboxUnavailable, Setup, Status, open_sandbox

RunIn = Callable[..., RunResult]


@pytest.fixture(scope="module")
def unsafe(tiny_setup: Setup, policy: Policy) -> Iterator[Sandbox]:
    setup = replace(tiny_setup, backend=Backend.UNSAFE, allow_unsafe=True)
    with open_sandbox(setup, replace(policy, wall_s=3.0)) as opened:
        yield opened


def test_the_name_alone_is_refused(tiny_setup: Setup) -> None:
    setup = replace(tiny_setup, backend=Backend.UNSAFE)
    with pytest.raises(SandboxUnavailable, match="isolates nothing"), open_sandbox(setup):
        pass


def test_the_mode_says_so(unsafe: Sandbox) -> None:
    assert unsafe.mode.split("+")[0] == "unsafe-subprocess"
    assert "seccomp" not in unsafe.mode


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("return context['inputs'].joinpath('data.bin').read_bytes()", Status.OK),
        ("raise ValueError(seed)", Status.EXCEPTION),
        ("import nowhere", Status.IMPORT_ERROR),
        ("import os; os._exit(3)", Status.EXIT),
        ("import os; os.kill(os.getpid(), 9)", Status.KILLED),
        ("while True: pass", Status.TIMEOUT),
        ("return bytes(2 << 20)", Status.OUTPUT_LIMIT),
        ("return 7", Status.INVALID_RESULT),
        ("return None", Status.NO_RESULT),
        ("return bytearray(1 << 30)[:1]", Status.OUT_OF_MEMORY),
    ],
)
def test_statuses(unsafe: Sandbox, run_in: RunIn, body: str, status: Status) -> None:
    result = run_in(unsafe, f"def f(context, seed):\n    {body}\n")
    assert result.status is status, result
    assert result.payload == (b"visible" if status is Status.OK else None)


def test_each_run_starts_anew_in_an_empty_folder_that_is_removed(unsafe: Sandbox, run_in: RunIn) -> None:
    source = """
        import os
        def f(context, seed):
            context["history"].append(seed)
            open("left", "w").close()
            return f"{len(context['history'])} {os.listdir()} {os.getcwd()}".encode()
        """
    first, second = (run_in(unsafe, source).payload or b"" for _ in range(2))
    assert first.startswith(b"1 ['left'] ")
    assert second.startswith(b"1 ['left'] ")
    for said in (first, second):
        assert not Path(said.split()[-1].decode()).exists()
