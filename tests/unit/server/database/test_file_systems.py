"""SQLite on a disk that it cannot use is noticed."""

from pathlib import Path

import pytest

from lethe.server.database.engine import Database
from lethe.server.database.file_systems import network_file_system

MOUNTS = r"""
21 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw
30 21 0:40 / /srv rw,relatime shared:1 - nfs4 files:/srv rw,vers=4.2
31 30 8:2 / /srv/local rw - xfs /dev/sdb1 rw
32 21 0:41 / /mnt/two\040words rw - cifs //files/share rw
33 21 0:42 / /scratch rw - lustre 10.0.0.1@tcp:/scratch rw
34 21 0:43 / /gpfs rw master:2 - gpfs gpfs0 rw
35 21 0:44 / /far rw - fuse.sshfs somebody@far:/ rw
36 21 0:45 / /twice rw - nfs files:/twice rw
37 36 0:46 / /twice rw - tmpfs tmpfs rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib/lethe/lethe.db", None),
        ("/srv/lethe/lethe.db", "nfs4"),
        ("/srv", "nfs4"),
        ("/srv/local/lethe.db", None),
        ("/srvs/lethe.db", None),
        ("/mnt/two words/lethe.db", "cifs"),
        ("/scratch/lethe.db", "lustre"),
        ("/gpfs/lethe.db", "gpfs"),
        ("/far/lethe.db", "fuse.sshfs"),
        ("/twice/lethe.db", None),
    ],
)
def test_the_innermost_mount_decides(path: str, kind: str | None, tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS.lstrip())
    assert network_file_system(Path(path), mounts) == kind


def test_this_machine_can_be_read(tmp_path: Path) -> None:
    assert network_file_system(Path("/proc/self")) is None
    assert network_file_system(tmp_path, tmp_path / "no mountinfo") is None


def test_a_disk_without_shared_memory_is_noticed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """SQLite's locks by files stand for a disk that has no others: there it answers `delete` when asked for WAL."""
    database = Database(f"sqlite:///file:{tmp_path}/lethe.db?vfs=unix-dotfile&uri=true")
    for _ in range(2):
        database.require_answer()
        database.dispose()
    assert database.weakness is not None
    assert "journal mode delete" in database.weakness
    said = capsys.readouterr().out
    assert said.count("database_at_risk") == 1
    assert "LETHE_DATABASE_URL" in said


def test_a_local_disk_has_no_weakness(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'lethe.db'}")
    database.require_answer()
    with database.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    assert database.weakness is None
    database.dispose()
