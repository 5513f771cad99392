"""The interpreter of guests: where it lies for them, and what is said of one that does not work."""

import sys
from pathlib import Path

import pytest

from lethe.sandbox import SandboxUnavailable, Setup
from lethe.sandbox.identity import identity_of
from lethe.sandbox.interpreter import find_interpreter


def test_the_interpreter_of_these_tests() -> None:
    own = identity_of(Setup(harness={}, harness_module="h"))
    found = find_interpreter(Path(sys.executable), own)
    assert found.executable.name == Path(sys.executable).name
    if sys.prefix != sys.base_prefix:
        assert found.binds[Path("/sandbox/environment")] == Path(sys.prefix)
        assert found.executable == Path("/sandbox/environment", Path(sys.executable).relative_to(sys.prefix))
    for prefix in (Path(sys.prefix), Path(sys.base_prefix)):
        assert prefix in found.folders or prefix.is_relative_to("/usr")


def test_an_interpreter_that_is_not_there() -> None:
    own = identity_of(Setup(harness={}, harness_module="h"))
    with pytest.raises(SandboxUnavailable, match=r"/usr/bin/none does not exist\. Name another interpreter"):
        find_interpreter(Path("/usr/bin/none"), own)


def test_what_is_no_interpreter() -> None:
    own = identity_of(Setup(harness={}, harness_module="h"))
    with pytest.raises(SandboxUnavailable, match="cannot run the interpreter"):
        find_interpreter(Path("/usr/bin/false"), own)
