"""Processes of one user share an image where they are told to, as long as one of them holds it."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from lethe.sandbox.errors import SandboxUnavailable
from lethe.sandbox.identity import identity_of
from lethe.sandbox.image import Image, held_image
from lethe.sandbox.interpreter import find_interpreter
from lethe.sandbox.setup import Setup

pytestmark = pytest.mark.component("bubblewrap")

HOLDER = """
import json, os, sys
from tests.integration.sandbox.test_shared_image import image
with image() as held:
    print(json.dumps(namespaces := [os.fstat(fd).st_ino for fd in (held.user_fd, held.mount_fd)]), flush=True)
    sys.stdin.read()
"""


@contextmanager
def image(*, is_shared: bool = True) -> Iterator[Image]:
    setup = Setup(harness={}, harness_module="none", python=Path(sys.executable))
    identity = identity_of(setup)
    interpreter = find_interpreter(setup.python, identity)
    with held_image(interpreter, identity, with_packages=False, with_gpu=False, is_shared=is_shared) as held:
        yield held


def namespaces(held: Image) -> list[int]:
    return [Path(f"/proc/self/fd/{fd}").stat().st_ino for fd in (held.user_fd, held.mount_fd)]


@contextmanager
def another_process(folder: Path) -> Iterator[list[int]]:
    """The namespaces of the image that another process holds until the end of the block."""
    root = Path(__file__).parents[3]
    environment = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "TMPDIR": str(folder), "PYTHONPATH": str(root)}
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        cwd=root,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.communicate(timeout=120)


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the processes of the test look for images; guests can reach it."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        found = Path(name)
        found.chmod(0o755)
        monkeypatch.setattr("tempfile.tempdir", name)
        yield found


def test_processes_share_and_the_last_one_takes_it_away(folder: Path) -> None:
    with ExitStack() as ours:
        with another_process(folder) as theirs:
            held = ours.enter_context(image())
            assert namespaces(held) == theirs
        with another_process(folder) as others:  # the first has ended, and this one holds it still
            assert others == theirs
    (entry,) = (path for path in next(folder.glob("lethe-images-*")).iterdir())
    assert json.loads(entry.read_text()) == []


def test_a_process_that_was_killed_holds_nothing(folder: Path) -> None:
    with image():
        (entry,) = (path for path in next(folder.glob("lethe-images-*")).iterdir())
        (holder,) = json.loads(entry.read_text())
    gone = [{**holder, "pid": 2**22 - 1}, {**holder, "started": holder["started"] + 1}, {**holder, "user_fd": 10**6}]
    entry.write_text(json.dumps(gone))
    with image() as held:
        (mine,) = [each for each in json.loads(entry.read_text()) if each not in gone]
        assert mine["mount_fd"] == held.mount_fd


def test_alone_is_the_default(folder: Path) -> None:
    with another_process(folder) as theirs, image(is_shared=False) as held:
        assert namespaces(held) != theirs


def test_a_folder_of_somebody_else_is_refused(folder: Path) -> None:
    images = folder / f"lethe-images-{os.geteuid()}"
    images.mkdir()
    images.chmod(0o777)
    with pytest.raises(SandboxUnavailable, match="belongs to somebody else"), image():
        pass
