"""The caller's choice of what is in a jail: the harness, the inputs, the interpreter and the uid."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

# Between systemd's ranges for homed and for dynamic users, and not in Debian's list of static uids.
DEFAULT_UID = 61010
# Places under the import root that the sandbox's own code has.
_TAKEN = (["lethe"], ["lethe", "__init__.py"], ["lethe", "sandbox"])


class Backend(StrEnum):
    """How runs are isolated. All give bit-identical results."""

    ZYGOTE = "bubblewrap-zygote"
    """One jail, one import; each run is a fork into its own namespaces."""
    FRESH = "bubblewrap-fresh"
    """A new jail and a new interpreter for each run."""
    UNSAFE = "unsafe-subprocess"
    """No jail at all, for development: a run can do whatever its user can. Refused without `allow_unsafe`."""


@dataclass(frozen=True, kw_only=True)
class Setup:
    """The read-only contents of a jail.

    harness: name under the jail's import root -> file or folder on the host (folders: their `*.py`, recursively).
    harness_module: module to import there; it defines `load(inputs)` and `run(context, source, filename, function,
        seed)` as README.md describes.
    inputs: plain file name in the jail's inputs folder -> file on the host.
    python: interpreter whose environment the guest sees; the sandbox uid must be able to read it.
    links: absolute path of a symbolic link in the jail -> where it leads.
    with_packages: whether guests can import the packages of the interpreter's environment, which takes memory.
    shared_image: whether other processes of this user share these files in memory, where their runs can meet.
    extra_paths: folders appended to `sys.path` after everything else.
    gpu: number of the one GPU that guests see, as in /dev/nvidia3.
    allow_unsafe: confirms that runs may go unisolated; `Backend.UNSAFE` is refused without it.
    uid, gid: the host identity that the jail runs under when the caller is root; otherwise the caller's own is used.
    start_s: seconds that starting the zygote may take, the harness's `load` included.
    """

    harness: Mapping[str, Path]
    harness_module: str
    inputs: Mapping[str, Path] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    python: Path = field(default_factory=lambda: Path(sys.executable))
    with_packages: bool = True
    shared_image: bool = False
    extra_paths: tuple[Path, ...] = ()
    backend: Backend = Backend.ZYGOTE
    gpu: int | None = None
    allow_unsafe: bool = False
    uid: int = DEFAULT_UID
    gid: int = DEFAULT_UID
    start_s: float = 180.0

    def __post_init__(self) -> None:
        for name in self.inputs:
            if "/" in name or name in {"", ".", ".."}:
                raise ValueError(f"the name of an input must be a plain file name, not {name!r}")
        for name in self.links:
            if not name.startswith("/") or ".." in name.split("/"):
                raise ValueError(f"the path of a link must be absolute and without '..', not {name!r}")
        for name in self.harness:
            if name.startswith("/") or ".." in name.split("/") or name.split("/")[:2] in _TAKEN:
                raise ValueError(f"{name!r} cannot be placed under the jail's import root")
        if self.gpu is not None and self.gpu < 0:
            raise ValueError(f"gpu must be the number of a GPU, not {self.gpu}")
        if self.uid == 0 or self.gid == 0:
            raise ValueError("the sandbox must not run as uid or gid 0")
