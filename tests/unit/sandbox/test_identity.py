"""Whether another uid could read a path, judged by its modes."""

import os
from pathlib import Path

import pytest

from lethe.sandbox.identity import Identity, blocking_path

STRANGER = Identity(uid=61_010, gid=61_010, drops=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An open folder in open folders."""
    for each in [tmp_path, *tmp_path.parents]:
        if each.stat().st_uid == os.geteuid() and each.name:
            each.chmod(each.stat().st_mode | 0o055)
    return tmp_path


def test_open_way(folder: Path) -> None:
    (folder / "file").touch(mode=0o644)
    assert blocking_path(folder / "file", STRANGER) is None


def test_closed_folder_is_named(folder: Path) -> None:
    (folder / "closed").mkdir(mode=0o700)
    (folder / "closed" / "file").touch(mode=0o644)
    assert blocking_path(folder / "closed" / "file", STRANGER) == folder / "closed"


def test_closed_file_is_named(folder: Path) -> None:
    (folder / "file").touch(mode=0o600)
    assert blocking_path(folder / "file", STRANGER) == folder / "file"


def test_links_are_followed(folder: Path) -> None:
    (folder / "closed").mkdir(mode=0o700)
    (folder / "closed" / "python").touch(mode=0o755)
    (folder / "link").symlink_to(folder / "closed" / "python")
    (folder / "second").symlink_to("link")
    assert blocking_path(folder / "second", STRANGER) == folder / "closed"


def test_missing_is_named(folder: Path) -> None:
    assert blocking_path(folder / "none" / "file", STRANGER) == folder / "none"


def test_owner_and_group_have_their_own_bits(folder: Path) -> None:
    (folder / "file").touch(mode=0o600)
    status = (folder / "file").stat()
    assert blocking_path(folder / "file", Identity(status.st_uid, 1, drops=False)) is None
    (folder / "file").chmod(0o640)
    assert blocking_path(folder / "file", Identity(STRANGER.uid, status.st_gid, drops=True)) is None
    (folder / "file").chmod(0o604)
    assert blocking_path(folder / "file", Identity(STRANGER.uid, status.st_gid, drops=True)) == folder / "file"


def test_a_folder_must_be_listable(folder: Path) -> None:
    (folder / "hidden").mkdir(mode=0o711)
    (folder / "hidden" / "file").touch(mode=0o644)
    assert blocking_path(folder / "hidden" / "file", STRANGER) is None
    assert blocking_path(folder / "hidden", STRANGER) == folder / "hidden"
