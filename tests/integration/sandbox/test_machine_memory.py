"""A run below its limit that the kernel kills because the worker's group is full is not blamed for it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from lethe.sandbox import cgroup_hierarchies
from tests.integration.sandbox.conftest import HARNESS

pytestmark = pytest.mark.component("bubblewrap")

MIB = 2**20
ROOM_BYTES = 400 * MIB
HOARDS = "def f(context, seed):\n    return bytes([len(b'x' * {size}) > 0])\n"
PROGRAM = """
import sys
from pathlib import Path
from lethe.sandbox import Policy, SandboxFailure, Setup, cgroups, open_sandbox

folder, source, groups = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
if groups == "none":
    cgroups.CgroupTree.create = classmethod(lambda cls: cls(0, {}, []))
setup = Setup(harness={"tiny.py": folder / "tiny.py"}, harness_module="tiny", inputs={}, with_packages=False)
with open_sandbox(setup, Policy(memory_bytes=2**30, wall_s=60)) as sandbox:
    try:
        print(sandbox.run(source.encode(), function="f", seed=1).status.value)
    except SandboxFailure as failure:
        print(failure)
"""


@pytest.fixture
def full_group() -> Iterator[Path]:
    """A group for a worker with less memory than one of its runs may have."""
    groups = cgroup_hierarchies.own_groups()
    if not {"memory", "unified"} & groups.keys() or os.geteuid() != 0:
        pytest.skip("no group of memory can be made here")
    base = groups.get("memory") or groups["unified"]
    folder = base / "lethe-tests-full"
    folder.mkdir(exist_ok=True)
    name = "memory.limit_in_bytes" if "memory" in groups else "memory.max"
    (folder / name).write_text(str(ROOM_BYTES))
    yield folder
    for inner in sorted(folder.rglob("*/"), reverse=True):
        with suppress(OSError):
            inner.rmdir()
    folder.rmdir()


def _ends(folder: Path, tmp_path: Path, size: int, groups: str) -> str:
    (tmp_path / "tiny.py").write_text(HARNESS)
    enter = f'echo $$ > {folder}/cgroup.procs; exec "$@"'
    command = ["sh", "-c", enter, "sh", sys.executable, "-c", PROGRAM, str(tmp_path), HOARDS.format(size=size), groups]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("groups", ["own", "none"])
def test_a_run_below_its_limit_is_not_blamed(full_group: Path, tmp_path: Path, groups: str) -> None:
    assert "LETHE_SLOTS" in _ends(full_group, tmp_path, ROOM_BYTES + 100 * MIB, groups)


@pytest.mark.parametrize("groups", ["own", "none"])
def test_a_run_that_fits_ends_well(full_group: Path, tmp_path: Path, groups: str) -> None:
    assert _ends(full_group, tmp_path, 50 * MIB, groups) == "ok\n"
