"""Makes an installed folder a safe layer: only regular files, no start-up code, no module twice."""

import hashlib
import os
import shutil
import stat
import sys
from collections.abc import Iterator
from importlib.machinery import all_suffixes
from pathlib import Path

from lethe.evaluator.contract.faults import FaultCode
from lethe.evaluator.dependencies.errors import DependencyRefused

# Top-level names that the jail puts before the base, and two modules that Python imports at its start.
_RESERVED = frozenset({"lethe", "sitecustomize", "usercustomize"})
_SCRIPT_FOLDERS = ("bin", "Scripts")
_STARTUP_SUFFIXES = (".pth", ".egg-link", ".start", ".site")
_INSTALLER_FILES = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json"})
_SUFFIXES = tuple(sorted(all_suffixes(), key=len, reverse=True))


def strip(layer: Path) -> None:
    """Remove everything but importable content: links, special files, scripts, start-up files, entry points.

    Entry points are removed because libraries, torch among them, load code that other packages register there. `.pth`
    files below the top level are kept: Python does not read them, and packages ship weights under that name.
    """
    for folder, _, names in os.walk(layer):
        for name in names:
            path = Path(folder, name)
            if not stat.S_ISREG(path.lstat().st_mode):
                path.unlink()
    for link in [path for path in _folders(layer) if path.is_symlink()]:
        link.unlink()
    for name in _SCRIPT_FOLDERS:
        shutil.rmtree(layer / name, ignore_errors=True)
    for path in list(layer.iterdir()):
        if path.is_file() and (path.name == ".lock" or path.name.endswith(_STARTUP_SUFFIXES)):
            path.unlink()
        elif path.name.endswith((".dist-info", ".egg-info")) and path.is_dir():
            (path / "entry_points.txt").unlink(missing_ok=True)


def _folders(layer: Path) -> Iterator[Path]:
    for folder, names, _ in os.walk(layer):
        yield from (Path(folder, name) for name in names)


def refuse_shadows(layer: Path, base: tuple[Path, ...]) -> None:
    """Raise DependencyRefused when the layer has a module of the standard library, the jail or the base."""
    taken = _RESERVED | sys.stdlib_module_names
    name = next((name for name in sorted(modules(layer)) if name in taken), None)
    name = name or next(filter(None, (_collision(layer, folder) for folder in base)), None)
    if name is not None:
        owner = _owner(layer, name) or "a package"
        raise DependencyRefused(FaultCode.DEPENDENCY_SHADOWS, f"{owner} brings a module {name!r}")


def modules(folder: Path) -> dict[str, Path]:
    """The modules and packages directly in `folder`, by the name under which they are imported."""
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            name = path.name
        else:
            name = next((path.name.removesuffix(end) for end in _SUFFIXES if path.name.endswith(end)), "")
        if name.isidentifier() and name != "__pycache__":
            found[name] = path
    return found


def _collision(layer: Path, base: Path) -> str | None:
    """The dotted name of a module in both folders. Folders without `__init__` may share a name, but no module."""
    others = modules(base)
    for name, path in modules(layer).items():
        other = others.get(name)
        if other is None:
            continue
        if not (_is_namespace(path) and _is_namespace(other)):
            return name
        inner = _collision(path, other)
        if inner is not None:
            return f"{name}.{inner}"
    return None


def _is_namespace(path: Path) -> bool:
    return path.is_dir() and not any((path / f"__init__{suffix}").exists() for suffix in _SUFFIXES)


def _owner(layer: Path, module: str) -> str | None:
    """The distribution in `layer` whose list of files has `module`, as `name version`."""
    start = module.replace(".", "/")
    for record in sorted(layer.glob("*.dist-info/RECORD")):
        with record.open(encoding="utf-8", errors="replace") as lines:
            if any(line.startswith((f"{start}/", f"{start}.")) for line in lines):
                name, _, version = record.parent.name.removesuffix(".dist-info").partition("-")
                return f"{name} {version}"
    return None


def content_sha256(layer: Path) -> str:
    """The digest of all names and files from wheels, without the installer's own records."""
    digest = hashlib.sha256()
    for path in sorted(path for path in layer.rglob("*") if path.is_file()):
        if path.name in _INSTALLER_FILES and path.parent.name.endswith(".dist-info"):
            continue
        digest.update(f"{path.relative_to(layer)}\0{path.stat().st_size}\0".encode("utf-8", "surrogateescape"))
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def seal(layer: Path, *, take_over: bool) -> None:
    """Make everything readable by all and writable by the owner; with `take_over` the caller becomes the owner."""
    for folder, _, names in os.walk(layer):
        for path in (Path(folder), *(Path(folder, name) for name in names)):
            if take_over:
                os.chown(path, os.geteuid(), os.getegid(), follow_symlinks=False)
            path.chmod(0o755 if path.is_dir() else 0o644)
