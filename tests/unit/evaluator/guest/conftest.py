"""What the tests of the guest share."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.evaluator.guest.inputs import write_inputs


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    write_inputs(folder)
    return folder


@pytest.fixture(autouse=True)
def _surroundings(tmp_path: Path) -> Iterator[None]:
    """What a run changes of its process, in which it is alone elsewhere."""
    before, modules, argv, path = Path.cwd(), set(sys.modules), list(sys.argv), list(sys.path)
    os.chdir(tmp_path)
    yield
    os.chdir(before)
    sys.argv[:], sys.path[:] = argv, path
    for name in set(sys.modules) - modules:
        if name.startswith("submission"):
            del sys.modules[name]
