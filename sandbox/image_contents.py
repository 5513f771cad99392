"""Which files of the host a jail gets, by rule: they are copied into memory, and guests see no others.

- the interpreter, its standard library, and of the environment all installed packages;
- what their libraries are linked with, wherever the loader finds it;
- shells and small programs, character sets and time zones;
- with a GPU its driver's libraries.

Left out: headers and static libraries, test suites, modules compiled by other interpreters, and without a GPU what its
packages contain and nothing is linked with.
"""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from lethe.sandbox.elf import Wants, read_wants
from lethe.sandbox.interpreter import Interpreter

PROGRAMS = (
    "sh bash awk basename bunzip2 bzip2 cat chmod cmp comm cp cut date dd diff dirname du echo env expr "
    "false find grep gunzip gzip head id join ln ls md5sum mkdir mktemp mv nl nproc od paste printf pwd "
    "readlink realpath rm rmdir sed seq sha256sum shuf sleep sort split stat tail tar tee test touch tr "
    "true uname uniq unzip wc which whoami xargs xz yes zip"
)
"""Those of them that the machine has: files written for Kaggle call some of them."""
_PROGRAM_FOLDERS = (Path("/usr/bin"), Path("/bin"))
_DATA = (Path("/usr/lib/locale/C.utf8"), Path("/usr/share/zoneinfo"), Path("/etc/ld.so.cache"))
_GPU_PACKAGES = frozenset({"nvidia", "triton", "cuda"})
_DRIVER = ("libcuda.so", "libcudadebugger.so", "libnvidia-", "libnvcuvid.so", "libnvoptix.so")
_LEFT_OUT_SUFFIXES = (".a", ".h", ".hpp", ".cuh")
_LEFT_OUT_FOLDERS = frozenset({"tests", "test"})
_LOADER_FOLDERS = ("/lib64", "/usr/lib64", "/lib", "/usr/lib")


@dataclass
class Contents:
    """Absolute paths in the jail: `files` by their source on the host, `links` by where they lead."""

    files: dict[str, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)


def collect(interpreter: Interpreter, *, with_packages: bool, with_gpu: bool) -> Contents:
    """The contents of jails with `interpreter`. with_packages: those of its environment too."""
    return _Collection(interpreter, with_gpu=with_gpu).collected(with_packages=with_packages)


class _Collection:
    def __init__(self, interpreter: Interpreter, *, with_gpu: bool) -> None:
        self._interpreter = interpreter
        self._with_gpu = with_gpu
        self._contents = Contents()
        # Longest first: an environment may lie inside of another folder.
        places = sorted(interpreter.binds.items(), key=lambda bind: -len(str(bind[1])))
        self._places = [(os.path.realpath(folder), interpreter.place_in_image(place)) for place, folder in places]
        self._libraries: dict[str, str] = {}

    def collected(self, *, with_packages: bool) -> Contents:
        self._add_interpreter()
        for folder in self._interpreter.library:
            self._add_tree(folder, skipped=frozenset({"site-packages", "dist-packages", "test"}))
        for folder in _DATA:
            self._add_tree(folder) if folder.is_dir() else self._add_file(folder)
        for name in PROGRAMS.split():
            self._add_file(next((folder / name for folder in _PROGRAM_FOLDERS if (folder / name).exists()), Path()))
        if with_packages:
            skipped: frozenset[str] = frozenset() if self._with_gpu else _GPU_PACKAGES
            for folder in self._interpreter.packages:
                self._add_tree(folder, skipped=skipped)
        if self._with_gpu:
            for path in known_libraries().values():
                if Path(path).name.startswith(_DRIVER):
                    self._add_file(Path(path))
        self._add_linked()
        return self._contents

    def _add_interpreter(self) -> None:
        """The executable, every link on the way to it, and what tells it where its environment is."""
        way = self._interpreter.host
        for _ in range(20):
            if not way.is_symlink():
                break
            target = way.readlink()
            self._contents.links[self._place(way)] = str(target) if not target.is_absolute() else self._place(target)
            way = way.parent / target
        self._add_file(way)
        for folder in self._interpreter.binds.values():
            self._add_file(folder / "pyvenv.cfg")

    def _add_tree(self, top: Path, *, skipped: frozenset[str] = frozenset()) -> None:
        """Add what is below `top`; of the folders directly in it that are `skipped` only remember the libraries."""
        if not top.is_dir():
            return
        real = os.path.realpath(top)
        pending = [(real, self._place(Path(real)), True)]
        tag = f".{self._interpreter.tag}."
        while pending:
            folder, place, is_kept = pending.pop()
            compiled = folder.endswith("/__pycache__")
            with os.scandir(folder) as entries:
                for entry in sorted(entries, key=lambda entry: entry.name):
                    name = entry.name
                    if entry.is_symlink():
                        if is_kept:
                            self._add_link(Path(entry.path))
                    elif entry.is_dir():
                        if folder == real or name not in _LEFT_OUT_FOLDERS:
                            kept = is_kept and not (folder == real and name in skipped)
                            pending.append((entry.path, f"{place}/{name}", kept))
                        continue
                    elif is_kept and not name.endswith(_LEFT_OUT_SUFFIXES) and (not compiled or tag in name):
                        self._contents.files[f"{place}/{name}"] = entry.path
                    if ".so" in name:
                        self._libraries.setdefault(name, entry.path)

    def _add_link(self, path: Path) -> None:
        """Add a link to a folder as a link, one to a file as a copy: its end may be left out."""
        target = os.path.realpath(path)
        if os.path.isdir(target):
            self._contents.links[self._place(path)] = self._place(Path(target))
        else:
            self._add_file(path)

    def _add_file(self, path: Path) -> None:
        source = os.path.realpath(path)
        if os.path.isfile(source):
            self._contents.files[self._place(path)] = source

    def _place(self, path: Path) -> str:
        """Where `path` is in the jail; links in the way to its folder are followed, one at its end is not."""
        real = os.path.join(os.path.realpath(path.parent), path.name)
        for folder, place in self._places:
            if real.startswith(f"{folder}/"):
                return place + real[len(folder) :]
        return real

    def _add_linked(self) -> None:
        """Add everything that the loader would load for what is there already."""
        pending = [Path(source) for place, source in self._contents.files.items() if _may_be_linked(place, source)]
        seen = {str(path) for path in pending}
        while pending:
            path = pending.pop()
            wants = read_wants(path)
            if wants is None:
                continue
            for name in wants.needed:
                # A zygote that finds the driver looks for GPUs with it, which starts a thread.
                if name.startswith(_DRIVER) and not self._with_gpu:
                    continue
                found = self._find(name, wants, path)
                if found is None:
                    continue
                self._add_file(found)
                real = os.path.realpath(found)
                if real not in seen:
                    seen.add(real)
                    pending.append(Path(real))

    def _find(self, name: str, wants: Wants, path: Path) -> Path | None:
        if "/" in name:
            return Path(name)
        for place in self._candidates(name, wants, path):
            if os.path.isfile(place) and _machine(os.path.realpath(place)) == wants.machine:
                return Path(place)
        return None

    def _candidates(self, name: str, wants: Wants, path: Path) -> Iterator[str]:
        yield from (os.path.join(folder, name) for folder in wants.search)
        yield os.path.join(path.parent, name)
        for known in (self._libraries, known_libraries()):
            if name in known:
                yield known[name]
        yield from (os.path.join(folder, name) for folder in _LOADER_FOLDERS)


def _may_be_linked(place: str, source: str) -> bool:
    return ".so" in place.rsplit("/", 1)[-1] or os.access(source, os.X_OK)


@cache
def _machine(path: str) -> int:
    wants = read_wants(Path(path))
    return -1 if wants is None else wants.machine


@cache
def known_libraries() -> dict[str, str]:
    """The loader's cache: name of a library -> path; of several the first, which the loader takes."""
    try:
        answer = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, check=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return {}
    found: dict[str, str] = {}
    for line in answer.splitlines():
        name, arrow, path = line.strip().partition(" => ")
        if arrow and "64" in name:
            found.setdefault(name.split(" ", 1)[0], path)
    return found
