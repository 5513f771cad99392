"""A `competition create` that is killed, whatever it was doing, leaves nobody's photographs and no model of them."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.photographs import make_image_folder

pytestmark = pytest.mark.slow

SPEC = """slug = "killed"
title = "Killed"
[data]
source = "image-folder"
image_size = 16
classes = 3
[practice]
identities = 8
oracles = 0
[training]
epochs = 1
[evaluation]
runs = 8
oracles = 8
ceiling_oracles = 8
[audits]
runs = 0
"""
STEPS = ("data/photographs", "/identity", "/checkpoints/", "practice/")

# Imports torch once; each creation is a fork that kills itself as soon as it has stored something of its step.
KILLED = """
import os, signal, sys, time
from pathlib import Path
import lethe.evaluator.preparation
from lethe.evaluator.artifacts import ArtifactStore
from lethe.evaluator.contract.specification_file import load_specification
from lethe.evaluator.data.sources import Files
from lethe.sandbox.scratch_folders import remove_stale
from lethe.server.context import create_context
from lethe.server.database.migration import migrate
from lethe.server.hosting import creation
from lethe.server.hosting.unfinished_creations import remove_leftovers
from lethe.server.settings import Settings

put = ArtifactStore.put


def create(step):
    def fatal(self, key, data, **given):
        ref = put(self, key, data, **given)
        if step in key and not key.startswith("creations/"):
            os.kill(os.getpid(), signal.SIGKILL)
        return ref

    ArtifactStore.put = fatal
    context = create_context(Settings())
    files = Files(folder=Path(sys.argv[2]))
    creation.create(context, load_specification(Path(sys.argv[1])), files=files, jobs=1, progress=lambda step: None)


def clear():
    context = create_context(Settings())
    assert any(key.startswith("data/photographs-") for key in context.artifacts.list(""))
    assert remove_leftovers(context)
    remove_stale("lethe-training-")


def fork(function, *words):
    child = os.fork()  # the store has threads: this process itself never opens it
    if child == 0:
        function(*words)
        os._exit(0)
    return os.waitpid(child, 0)[1]


migrate(create_context(Settings()).database)
for step in sys.argv[3:]:
    assert fork(create, step) == signal.SIGKILL, step
    time.sleep(Settings().lease_s)
    assert fork(clear) == 0, step
    left = [path for path in (Settings().home / "artifacts").rglob("*") if path.is_file()]
    assert not left, (step, left)
    print("killed", step, file=sys.stderr)
"""


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder for sockets, whose addresses have at most 107 characters."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def test_a_creation_that_is_killed_at_any_step_leaves_nothing(tmp_path: Path, short: Path) -> None:
    make_image_folder(tmp_path / "photographs", people=30)
    (tmp_path / "killed.toml").write_text(SPEC)
    environment = {
        **os.environ,
        "LETHE_HOME": str(tmp_path / "home"),
        "LETHE_LEASE_S": "1",
        "TMPDIR": str(short),
    }
    words = [str(tmp_path / "killed.toml"), str(tmp_path / "photographs"), *STEPS]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, *words],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stderr.splitlines() if line.startswith("killed")] == [
        f"killed {one}" for one in STEPS
    ]
    assert not list(short.glob("lethe-training-*"))
