"""A scratch folder goes with its process, or with the next one that makes such a folder."""

import os
import signal
import tempfile
from pathlib import Path

import pytest

from lethe.sandbox.scratch_folders import scratch_folder


def test_it_is_closed_to_others_and_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with scratch_folder("lethe-training-") as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "photographs").write_bytes(b"of people")
    assert list(tmp_path.iterdir()) == []


def test_those_of_killed_processes_go_and_others_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    child = os.fork()
    if child == 0:
        with scratch_folder("lethe-training-") as folder:
            (folder / "photographs").write_bytes(b"of people")
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert len(list(tmp_path.iterdir())) == 1
    with scratch_folder("lethe-auditing-") as other, scratch_folder("lethe-training-") as first:
        assert set(tmp_path.iterdir()) == {other, first}
        with scratch_folder("lethe-training-"):
            assert first.exists()
