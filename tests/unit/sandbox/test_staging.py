"""Copies that the sandbox uid can read, whatever their originals allow."""

import json
import os
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from lethe.sandbox import Backend, Setup, staging
from lethe.sandbox.identity import identity_of
from lethe.sandbox.scratch_folders import remove_stale

CONFIG = {"layers": 0}


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    package = tmp_path / "package"
    (package / "inner").mkdir(parents=True)
    (package / "__init__.py").write_text("", encoding="utf-8")
    (package / "inner" / "module.py").write_text("x = 1\n", encoding="utf-8")
    (package / "secret.toml").write_text("key = 1\n", encoding="utf-8")
    (tmp_path / "closed.bin").write_bytes(b"closed")
    (tmp_path / "closed.bin").chmod(0o600)
    (tmp_path / "open.bin").write_bytes(b"open")
    (tmp_path / "open.bin").chmod(0o644)
    inputs = {"a": tmp_path / "closed.bin", "b": tmp_path / "open.bin"}
    return Setup(harness={"pack": package, "one.py": package / "__init__.py"}, harness_module="pack", inputs=inputs)


def test_only_python_files_and_the_guest_are_staged(setup: Setup) -> None:
    with staging.staged(setup, identity_of(setup), CONFIG) as staged:
        files = {str(path.relative_to(staged.code)) for path in staged.code.rglob("*") if path.is_file()}
        modes = {path.stat().st_mode & 0o777 for path in staged.code.rglob("*")}
    assert files == {"pack/__init__.py", "pack/inner/module.py", "one.py"} | {
        "lethe/__init__.py",
        *(
            f"lethe/sandbox/{name}.py"
            for name in ("__init__", "guest", "guest_process", "huge_pages", "kernel", "memory_files", "zygote")
        ),
    }
    assert modes == {0o644, 0o755}


def test_inputs_are_readable_by_the_sandbox_alone(setup: Setup, tmp_path: Path) -> None:
    identity = identity_of(setup)
    with staging.staged(setup, identity, CONFIG) as staged:
        closed, opened = staged.inputs / "a", staged.inputs / "b"
        assert (closed.read_bytes(), opened.read_bytes()) == (b"closed", b"open")
        assert staged.inputs.stat().st_mode & 0o007 == 0
        assert closed.stat().st_mode & 0o007 == 0
        if identity.drops:
            assert staged.inputs.stat().st_gid == closed.stat().st_gid == identity.gid
        assert closed.stat().st_mtime == 0
    assert (tmp_path / "closed.bin").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "open.bin").stat().st_mtime > 0
    assert not staged.root.exists()


def test_a_file_that_all_may_read_is_linked_not_copied(setup: Setup, tmp_path: Path) -> None:
    if tmp_path.stat().st_dev != Path(tempfile.gettempdir()).stat().st_dev:
        pytest.skip("links do not cross file systems")
    with staging.staged(setup, identity_of(setup), CONFIG) as staged:
        assert (staged.inputs / "b").stat().st_ino == (tmp_path / "open.bin").stat().st_ino
        assert (staged.inputs / "a").stat().st_ino != (tmp_path / "closed.bin").stat().st_ino


def test_config_is_what_was_given(setup: Setup) -> None:
    with staging.staged(setup, identity_of(setup), CONFIG) as staged:
        assert json.loads(staged.config.read_text(encoding="utf-8")) == CONFIG


def test_the_zygote_without_a_jail_is_staged_for_its_own_backend_alone(setup: Setup) -> None:
    unsafe = replace(setup, backend=Backend.UNSAFE)
    for given, is_there in ((setup, False), (unsafe, True)):
        with staging.staged(given, identity_of(given), CONFIG) as staged:
            assert (staged.code / "lethe/sandbox" / "unsafe_zygote.py").exists() is is_there


def test_a_missing_input_leaves_nothing_behind(setup: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "open.bin").unlink()
    with pytest.raises(FileNotFoundError), staging.staged(setup, identity_of(setup), CONFIG):
        pytest.fail("it must not be staged")
    assert list(tmp_path.glob(f"{staging.PREFIX}*")) == []


def test_stale_folders_go_and_used_ones_stay(setup: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / f"{staging.PREFIX}stale").mkdir()
    (tmp_path / f"{staging.PREFIX}link").symlink_to(tmp_path / "package")
    with staging.staged(setup, identity_of(setup), CONFIG) as staged:
        remove_stale(staging.PREFIX)
        assert staged.root.exists()
        assert not (tmp_path / f"{staging.PREFIX}stale").exists()
    assert (tmp_path / "package" / "__init__.py").exists()


def test_a_folder_that_another_worker_takes_for_stale_is_made_again(
    setup: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    make = tempfile.mkdtemp
    made: list[str] = []

    def taken(**arguments: str) -> str:
        made.append(make(**arguments))
        if len(made) == 1:
            remove_stale(staging.PREFIX)  # as another worker would, before the folder is locked
        return made[-1]

    monkeypatch.setattr(tempfile, "mkdtemp", taken)
    with staging.staged(setup, identity_of(setup), CONFIG) as staged:
        assert str(staged.root) == made[1]


def test_no_descriptor_is_left_open(setup: Setup) -> None:
    before = os.listdir("/proc/self/fd")  # noqa: PTH208
    with staging.staged(setup, identity_of(setup), CONFIG):
        pass
    assert len(os.listdir("/proc/self/fd")) == len(before)  # noqa: PTH208
