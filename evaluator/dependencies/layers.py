"""The cache of layers: each set of packages is installed once, vetted, and kept under its digest."""

import fcntl
import hashlib
import json
import os
import shutil
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog
from packaging.specifiers import SpecifierSet

from lethe.evaluator.contract.faults import FaultCode
from lethe.evaluator.contract.script_block import ScriptBlock, name_of
from lethe.evaluator.contract.specification import DependenciesSpec
from lethe.evaluator.dependencies import vetting
from lethe.evaluator.dependencies.base import Base, find_base
from lethe.evaluator.dependencies.confinement import Bounds, disk_use
from lethe.evaluator.dependencies.errors import DependencyRefused, InstallerFailure, InstallInterrupted
from lethe.evaluator.dependencies.installer import Installer, Workspace
from lethe.evaluator.settings import IndexSettings, LayerSettings
from lethe.sandbox.identity import Identity, blocking_path

log = structlog.stdlib.get_logger(__name__)

_FORMAT = 2  # raise it when layers are built differently
_LOCK_TICK_S = 0.05
_BUILDING, _REMOVING = ".building-", ".removing-"
_CONTENT = ".sha256"
MOST_NAMED = 8


@dataclass(frozen=True)
class Layer:
    """Installed packages as `name==version`. `folder` comes last on a guest's `sys.path`; None without packages."""

    packages: tuple[str, ...] = ()
    folder: Path | None = None

    @property
    def key(self) -> str:
        """Equal for layers with equal content."""
        return "" if self.folder is None else self.folder.name

    @property
    def sha256(self) -> str:
        """Equal for layers made from the same bits: an index may serve other wheels under the same version later."""
        return "" if self.folder is None else (self.folder / _CONTENT).read_text(encoding="ascii")

    @contextmanager
    def held(self, cancel: threading.Event | None = None) -> Iterator[None]:
        """Keep the layer from being removed; waits for its builder until `cancel`, BlockingIOError without."""
        if self.folder is None:
            yield
            return
        with _locked(_lock_path(self.folder), fcntl.LOCK_SH, cancel):
            yield


class Layers:
    """Finds versions for script blocks and keeps layers in `folder`, at most `keep_bytes` beside those in use.

    Any number of threads, processes and workers of one machine may share the folder; the first to need a layer builds
    it, the others wait for it.
    """

    def __init__(
        self,
        folder: Path,
        *,
        base: Base,
        index: Mapping[str, str],
        sandbox_uid: int,
        installer_uid: int,
        keep_bytes: int,
    ) -> None:
        self.base = base
        self._folder = folder
        self._drops = os.geteuid() == 0
        self._readers = (sandbox_uid, installer_uid) if self._drops else ()
        self._installer_uid = installer_uid if self._drops else None
        self._installer = Installer(base, index=index, uid=self._installer_uid)
        self._keep_bytes = keep_bytes
        self._salt = _digest(_FORMAT, base.digest, sorted(index.items()))

    def resolve(self, block: ScriptBlock, spec: DependenciesSpec, cancel: threading.Event) -> tuple[str, ...]:
        """The packages to install for `block` beside the base, as sorted `name==version`.

        The answer is stored, so that a block resolves to the same packages until the base changes. Raises
        DependencyRefused, InstallerFailure, InstallInterrupted or OSError.
        """
        _check_policy(block, spec, self.base)
        if not block.requirements:
            return ()
        self._prepare()
        key = _digest(self._salt, "resolution", block.requirements)
        kept = self._folder / f"{key}.resolution.json"
        with _locked(_lock_path(self._folder / key), fcntl.LOCK_EX, cancel):
            if kept.exists():
                return tuple(json.loads(kept.read_text(encoding="utf-8")))
            started = time.monotonic()
            with self._workspace(key) as workspace:
                packages = self._plan(block, workspace, spec, cancel)
            _write_atomically(kept, json.dumps(packages))
        log.info("dependencies_resolved", packages=packages, wall_s=round(time.monotonic() - started, 2))
        return packages

    def _plan(
        self, block: ScriptBlock, workspace: Workspace, spec: DependenciesSpec, cancel: threading.Event
    ) -> tuple[str, ...]:
        try:
            return self._installer.plan(block.requirements, workspace, _bounds(spec), cancel)
        except DependencyRefused as refusal:
            named = [name for name in map(name_of, block.requirements) if name in self.base.pins]
            here = ", ".join(f"{name} {self.base.pins[name]}" for name in named)
            raise DependencyRefused(
                refusal.code, f"{refusal}\nInstalled here: {here}" if here else str(refusal)
            ) from None

    @contextmanager
    def open(self, packages: Sequence[str], spec: DependenciesSpec, cancel: threading.Event) -> Iterator[Layer]:
        """The layer of `packages`, installed if need be, which nobody removes meanwhile. Raises as `resolve` does."""
        if not packages:
            yield Layer()
            return
        self._prepare()
        names = tuple(sorted(packages))
        layer = Layer(names, self._folder / _digest(self._salt, "layer", names))
        while True:
            with layer.held(cancel):
                if layer.folder is not None and layer.folder.is_dir():
                    os.utime(layer.folder)
                    yield layer
                    return
            self._build(layer, spec, cancel)

    def _build(self, layer: Layer, spec: DependenciesSpec, cancel: threading.Event) -> None:
        folder, started = layer.folder, time.monotonic()
        assert folder is not None  # noqa: S101 - `open` makes layers with folders only
        bounds = _bounds(spec)
        with _locked(_lock_path(folder), fcntl.LOCK_EX, cancel):
            if folder.is_dir():
                return  # another worker was first
            with self._workspace(layer.key) as workspace:
                self._installer.install(layer.packages, workspace, bounds, cancel)
                shutil.rmtree(workspace.root / "cache")
                vetting.strip(workspace.layer)
                vetting.refuse_shadows(workspace.layer, self.base.folders)
                content_sha256 = vetting.content_sha256(workspace.layer)
                self._installer.compile(workspace, bounds, cancel)
                vetting.strip(workspace.layer)
                (workspace.layer / _CONTENT).write_text(content_sha256, encoding="ascii")
                vetting.seal(workspace.layer, take_over=self._drops)
                used_bytes, files = disk_use(workspace.layer)
                os.sync()  # else a power cut could leave a layer that looks complete but has empty files
                workspace.layer.rename(folder)
        log.info(
            "layer_installed",
            packages=layer.packages,
            layer_bytes=used_bytes,
            files=files,
            sha256=content_sha256,
            wall_s=round(time.monotonic() - started, 2),
        )
        self._make_room(folder)

    @contextmanager
    def _workspace(self, key: str) -> Iterator[Workspace]:
        """A fresh folder for the installer; the caller has locked `key`, so an existing folder is a leftover."""
        root = self._folder / f"{_BUILDING}{key}"
        shutil.rmtree(root, ignore_errors=True)
        try:
            root.mkdir(mode=0o755)
            for name in ("home", "tmp", "cache", "layer"):
                (root / name).mkdir(mode=0o755)
                if self._installer_uid is not None:
                    os.chown(root / name, self._installer_uid, self._installer_uid)
            yield Workspace(root)
        finally:
            shutil.rmtree(root, ignore_errors=True)

    def _make_room(self, newest: Path) -> None:
        """Remove leftovers, and layers that are not in use, the longest unused first, until the rest fits."""
        layers = sorted((path for path in self._folder.iterdir() if _is_layer(path)), key=_used_at)
        sizes = {path: disk_use(path)[0] for path in layers}
        total = sum(sizes.values())
        for path in layers:
            if total > self._keep_bytes and path != newest and self._remove(path):
                total -= sizes[path]
        for path in self._folder.iterdir():
            if path.name.startswith((_BUILDING, _REMOVING)):
                self._remove(path)

    def _remove(self, path: Path) -> bool:
        """Remove `path` unless it is in use; False if it stays."""
        lock = _lock_path(self._folder / path.name.removeprefix(_BUILDING).removeprefix(_REMOVING))
        try:
            with _locked(lock, fcntl.LOCK_EX, None):
                removing = self._folder / f"{_REMOVING}{path.name.removeprefix(_REMOVING)}"
                path.rename(removing)  # atomically, so that nobody finds half a layer under its name
                shutil.rmtree(removing, ignore_errors=True)
        except (BlockingIOError, FileNotFoundError):
            return False
        return True

    def _prepare(self) -> None:
        """Raise InstallerFailure if other users can write to the folder, or guests or the installer cannot read it."""
        if not self._folder.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            self._folder.chmod(0o755)
        status = self._folder.lstat()
        if self._folder.is_symlink() or status.st_uid != os.geteuid() or status.st_mode & 0o022:
            raise InstallerFailure(f"{self._folder} must be a folder that only uid {os.geteuid()} can write to")
        for uid in self._readers:
            blocked = blocking_path(self._folder, Identity(uid, uid, drops=True))
            if blocked is not None:
                raise InstallerFailure(
                    f"uid {uid} cannot pass {blocked}: chmod o+rx {blocked}, or set LETHE_LAYERS to another folder"
                )


def open_layers(settings: LayerSettings, index: IndexSettings) -> Layers:
    """The layers of this process's own environment, as the operator set them up."""
    return Layers(
        settings.layers_folder,
        base=find_base(),
        index=index.variables(),
        sandbox_uid=settings.sandbox_uid,
        installer_uid=settings.installer_uid,
        keep_bytes=settings.layers_bytes,
    )


def _check_policy(block: ScriptBlock, spec: DependenciesSpec, base: Base) -> None:
    if block.requires_python and base.python_version not in SpecifierSet(block.requires_python, prereleases=True):
        message = f"it requires Python {block.requires_python}; here is {base.python_version}"
        raise DependencyRefused(FaultCode.DEPENDENCY_CONFLICT, message)
    for requirement in block.requirements:
        name = name_of(requirement)
        if name in base.pins or spec.mode == "any" or (spec.mode == "allow-list" and name in spec.allowed):
            continue
        reason = "nothing beside the environment" if spec.mode == "none" else _few(spec.allowed)
        raise DependencyRefused(
            FaultCode.DEPENDENCY_NOT_ALLOWED, f"{name}; this competition installs {reason}", name=name
        )


def _few(names: Sequence[str]) -> str:
    """Return the first names, and how many more there are: the competition's page has all."""
    rest = len(names) - MOST_NAMED
    listed = ", ".join(names[:MOST_NAMED])
    return f"{listed} and {rest} others, which its page lists" if rest > 0 else listed


def _bounds(spec: DependenciesSpec) -> Bounds:
    return Bounds(wall_s=spec.install_wall_s, folder_bytes=spec.layer_bytes, folder_files=spec.layer_files)


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def _is_layer(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith(".")


def _used_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # another worker made room meanwhile
        return 0.0


def _lock_path(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.lock")


@contextmanager
def _locked(path: Path, kind: int, cancel: threading.Event | None) -> Iterator[None]:
    """Lock the file `path`. Raises InstallInterrupted when `cancel` is set, BlockingIOError at once without it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        while True:
            try:
                fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if cancel is None:
                    raise
                if cancel.is_set():
                    raise InstallInterrupted from None
                time.sleep(_LOCK_TICK_S)
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)  # a child forked meanwhile would keep the lock after closing alone
        os.close(descriptor)


def _write_atomically(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
