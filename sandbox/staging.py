"""The temporary folder that a jail is built from: copies that the sandbox uid can read."""

import json
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lethe.sandbox.identity import Identity
from lethe.sandbox.scratch_folders import scratch_folder
from lethe.sandbox.setup import Backend, Setup

PREFIX = "lethe-sandbox-"
_FILLING_MODULES = ("kernel.py", "memory_files.py")
_GUEST_MODULES = ("guest.py", "huge_pages.py", "guest_process.py", "zygote.py", *_FILLING_MODULES)
_UNSAFE_MODULE = "unsafe_zygote.py"
_NAMED_THREADS = 4096  # the thread numbers of a run count up from 3
_USERS = "guest:x:{uid}:{gid}:guest:/tmp:/bin/sh\n"
_GROUPS = "guest:x:{gid}:\n"


@dataclass(frozen=True, slots=True)
class Staging:
    """Folders and files to bind into the jail."""

    root: Path

    @property
    def code(self) -> Path:
        return self.root / "code"

    @property
    def inputs(self) -> Path:
        return self.root / "inputs"

    @property
    def etc(self) -> Path:
        return self.root / "etc"

    @property
    def proc(self) -> Path:
        return self.root / "proc"

    @property
    def config(self) -> Path:
        return self.root / "config.json"


@contextmanager
def staged(setup: Setup, identity: Identity, config: Mapping[str, object]) -> Iterator[Staging]:
    """A filled staging folder, removed on exit. Raises OSError when an input or harness file cannot be read."""
    with scratch_folder(PREFIX) as root:
        root.chmod(0o755)
        staging = Staging(root)
        unsafe = (_UNSAFE_MODULE,) if setup.backend is Backend.UNSAFE else ()
        _stage_code(setup.harness, (*_GUEST_MODULES, *unsafe), staging.code)
        _stage_inputs(setup.inputs, staging.inputs, identity)
        staging.etc.mkdir(mode=0o755)
        _write(staging.etc / "passwd", _USERS.format(uid=identity.jail_uid, gid=identity.jail_gid))
        _write(staging.etc / "group", _GROUPS.format(gid=identity.jail_gid))
        _stage_proc(staging.proc, has_gpu=setup.gpu is not None)
        _write(staging.config, json.dumps(config))
        yield staging


@contextmanager
def staged_code() -> Iterator[Path]:
    """A folder, removed on exit, from which `lethe.sandbox.memory_files` can be imported by everybody."""
    with scratch_folder(PREFIX) as root:
        root.chmod(0o755)
        _stage_code({}, _FILLING_MODULES, root / "code")
        yield root / "code"


def _stage_code(harness: Mapping[str, Path], modules: tuple[str, ...], code: Path) -> None:
    package = code / "lethe/sandbox"
    package.mkdir(parents=True)
    for each in (package.parent, package):
        _write(each / "__init__.py", "")
    for name in modules:
        _write(package / name, (Path(__file__).parent / name).read_text(encoding="utf-8"))
    for name, source in harness.items():
        if source.is_dir():
            for file in sorted(source.rglob("*.py")):
                _copy(file, code / name / file.relative_to(source))
        else:
            _copy(source, code / name)
    for folder, _, _ in os.walk(code):
        Path(folder).chmod(0o755)


def _stage_proc(proc: Path, *, has_gpu: bool) -> None:
    """Write all that a run sees of /proc. Training reads the processor's features. CUDA starts only if it finds its own
    memory map, for which the zygote needs a file here, and can write thread names, which go to /dev/null.
    """
    proc.mkdir(mode=0o755)
    _write(proc / "cpuinfo", Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace"))
    if has_gpu:
        tasks = proc / "self" / "task"
        (tasks / "any").mkdir(mode=0o755, parents=True)
        (tasks / "any" / "comm").symlink_to("/dev/null")
        _write(tasks.parent / "maps", "")
        for thread in range(1, _NAMED_THREADS + 1):
            (tasks / str(thread)).symlink_to("any")


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(0o644)


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o644)


def _stage_inputs(inputs: Mapping[str, Path], folder: Path, identity: Identity) -> None:
    folder.mkdir(mode=0o700)
    for name, source in inputs.items():
        target = folder / name
        if not _link(source, target):
            shutil.copyfile(source, target)
            target.chmod(0o400)
            if identity.drops:
                os.chown(target, -1, identity.gid)
                target.chmod(0o440)
        if not _was_linked(source, target):
            os.utime(target, (0, 0))  # so that a guest cannot read the time of the copy
    if identity.drops:
        os.chown(folder, -1, identity.gid)
        folder.chmod(0o750)


def _link(source: Path, target: Path) -> bool:
    """Try to make `target` a hard link of `source`, if everybody may read that; False otherwise."""
    if not source.stat().st_mode & stat.S_IROTH or source.is_symlink():
        return False
    try:
        os.link(source, target)
    except OSError:
        return False
    return True


def _was_linked(source: Path, target: Path) -> bool:
    return source.stat().st_ino == target.stat().st_ino and source.stat().st_dev == target.stat().st_dev
