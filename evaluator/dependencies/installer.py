"""Asks uv for versions and wheels. No code of a package is executed: source packages are refused, not built."""

import json
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name
from uv import find_uv_bin

from lethe.evaluator.contract.faults import FaultCode
from lethe.evaluator.dependencies.base import Base
from lethe.evaluator.dependencies.confinement import Bounds, Confinement, Finished, TooLong, TooMuchDisk
from lethe.evaluator.dependencies.errors import DependencyRefused, InstallerFailure

# Relative to the workspace. With `--no-config` and an environment of its own, uv reads no file or variable of the host.
_OPTIONS = ("--no-config", "--no-python-downloads", "--no-progress", "--color=never", "--quiet", "--cache-dir=cache")
_REFUSED = 1
"""uv's exit code when the request is at fault; 2 when uv failed."""
_MESSAGE_CHARS = 1_500
_URL = re.compile(r"\b(?:https?|file|git\+\w+)://[^\s`'\")]*")
_UNKNOWN = re.compile(r"\bwas not found in the\b")
_SOURCE_ONLY = re.compile(r"\b(?:has|have) no (?:usable )?wheels\b|\bbuilding from source is disabled\b")
_NO_CREDENTIALS = "lack of valid authentication credentials"


@dataclass(frozen=True)
class Workspace:
    """A folder that the installer may write to; its result is in `layer`."""

    root: Path

    @property
    def layer(self) -> Path:
        return self.root / "layer"


class Installer:
    """uv, confined. uid: whom it runs as, None for the caller's; index: variables that name the package index."""

    def __init__(self, base: Base, *, index: Mapping[str, str], uid: int | None) -> None:
        self._base = base
        self._index = index
        self._uid = uid

    def plan(
        self, requirements: Sequence[str], workspace: Workspace, bounds: Bounds, cancel: threading.Event
    ) -> tuple[str, ...]:
        """The packages to install beside the base, as sorted `name==version`; empty when the base has everything.

        Raises DependencyRefused, InstallerFailure or InstallInterrupted.
        """
        (workspace.root / "wanted.txt").write_text("\n".join(requirements) + "\n", encoding="utf-8")
        pins = [f"{name}=={version}" for name, version in sorted(self._base.pins.items())]
        (workspace.root / "pins.txt").write_text("\n".join(pins) + "\n", encoding="utf-8")
        finished = self._uv(
            # A dry run against the base: packages that it has count as installed, wherever they came from.
            *("--dry-run", "--break-system-packages", "--output-format=json"),
            *("--requirements=wanted.txt", "--constraints=pins.txt"),
            workspace=workspace,
            bounds=bounds,
            cancel=cancel,
        )
        return self._read_plan(finished.stdout)

    def install(self, packages: Sequence[str], workspace: Workspace, bounds: Bounds, cancel: threading.Event) -> None:
        """Put exactly `packages` into the workspace's layer; raises as `plan` does."""
        (workspace.root / "packages.txt").write_text("\n".join(packages) + "\n", encoding="utf-8")
        self._uv(
            *("--no-deps", "--target=layer", "--requirements=packages.txt"),
            workspace=workspace,
            bounds=bounds,
            cancel=cancel,
        )

    def compile(self, workspace: Workspace, bounds: Bounds, cancel: threading.Event) -> None:
        """Compile the layer's modules once for all runs; modules that do not compile stay as they are.

        Python must not compare times, because those of a jail's files are 0.
        """
        command = [str(self._base.python), "-I", "-S", "-m", "compileall", "-q", "-x", "/tests?/"]
        command += ["--invalidation-mode", "unchecked-hash", "layer"]
        _run_bounded(self._confinement(workspace), command, workspace, bounds, cancel)

    def _uv(self, *arguments: str, workspace: Workspace, bounds: Bounds, cancel: threading.Event) -> Finished:
        command = [find_uv_bin(), "pip", "install", *_OPTIONS, f"--python={self._base.python}"]
        command += ["--only-binary=:all:", *arguments]
        finished = _run_bounded(self._confinement(workspace), command, workspace, bounds, cancel)
        if finished.returncode == 0:
            return finished
        message = _readable_error(finished.stderr)
        if finished.returncode != _REFUSED or _NO_CREDENTIALS in finished.stderr:
            raise InstallerFailure(f"uv ended with {finished.returncode}: {message}")
        raise DependencyRefused(_code_of(finished.stderr), message)

    def _confinement(self, workspace: Workspace) -> Confinement:
        own = {
            "HOME": str(workspace.root / "home"),
            "TMPDIR": str(workspace.root / "tmp"),
            "PATH": "/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "UV_CONCURRENT_DOWNLOADS": "8",
            "UV_CONCURRENT_INSTALLS": "2",
        }
        return Confinement(self._uid, {**self._index, **own})

    def _read_plan(self, answer: str) -> tuple[str, ...]:
        try:
            changes = [
                (change["name"], change["version"], change["action"]) for change in json.loads(answer)["changes"]
            ]
        except (ValueError, KeyError, TypeError) as error:
            raise InstallerFailure(f"uv's plan cannot be read ({error!r}); uv 0.13.8 is known to fit") from error
        for name, version, action in changes:
            if action != "installed" or canonicalize_name(name) in self._base.pins:
                raise DependencyRefused(FaultCode.DEPENDENCY_CONFLICT, f"{name} {version} would replace what is here")
        return tuple(sorted(f"{canonicalize_name(name)}=={version}" for name, version, _ in changes))


def _run_bounded(
    confinement: Confinement, command: list[str], workspace: Workspace, bounds: Bounds, cancel: threading.Event
) -> Finished:
    try:
        return confinement.run(command, workspace.root, bounds, cancel)
    except TooMuchDisk:
        limits = f"more than {bounds.folder_bytes / 2**20:,.0f} MiB or {bounds.folder_files:,} files"
        raise DependencyRefused(FaultCode.DEPENDENCY_TOO_LARGE, limits) from None
    except TooLong as error:
        if error.waited:  # sizes have limits of their own, so the package index is slow or does not answer
            raise InstallerFailure(f"after {bounds.wall_s:,.0f} s the package index had not sent everything") from None
        raise DependencyRefused(FaultCode.DEPENDENCY_TIMEOUT, f"more than {bounds.wall_s:,.0f} s") from None


def _code_of(stderr: str) -> FaultCode:
    if _UNKNOWN.search(stderr):
        return FaultCode.DEPENDENCY_UNKNOWN
    if _SOURCE_ONLY.search(stderr):
        return FaultCode.DEPENDENCY_SOURCE_ONLY
    return FaultCode.DEPENDENCY_CONFLICT


def _readable_error(stderr: str) -> str:
    """uv's error without addresses, which may contain the operator's credentials, and without hints on its options."""
    error = stderr[max(stderr.find("error:"), 0) :].split("\nhint:", 1)[0]
    lines = [line.strip().removeprefix("error: ").removeprefix("cause: ") for line in error.splitlines()]
    text = _URL.sub("the index", "\n".join(line for line in lines if line))
    return "".join(letter for letter in text if letter.isprintable() or letter == "\n")[:_MESSAGE_CHARS]
