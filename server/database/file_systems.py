"""Tells which kind of file system holds a path: SQLite needs a local one."""

import re
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
NETWORK = {
    "9p", "afs", "beegfs", "ceph", "cifs", "glusterfs", "gpfs", "lustre", "nfs", "nfs4", "panfs", "pvfs2", "smb3",
    "smbfs", "sshfs", "wekafs",
}  # fmt: skip
_OCTAL = re.compile(r"\\([0-7]{3})")


def network_file_system(path: Path, mounts: Path = MOUNTS) -> str | None:
    """Return the kind of network file system that holds `path`, as `nfs4`, or None for a local one or an unknown."""
    kind = _kind_of(path.resolve(), mounts)
    return kind if kind.removeprefix("fuse.") in NETWORK else None


def _kind_of(path: Path, mounts: Path) -> str:
    """The kind of the innermost mount around `path`; of several at one place the last, which hides the others."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return ""
    found, longest = "", -1
    for line in lines:
        before, _, after = line.partition(" - ")
        place = Path(_OCTAL.sub(lambda match: chr(int(match[1], 8)), before.split()[4]))
        if path.is_relative_to(place) and len(place.parts) >= longest:
            found, longest = after.split()[0], len(place.parts)
    return found
