"""Checks the requirements of package installation without installing anything, for the operator's audit."""

import os
import tempfile
import threading
from pathlib import Path

from lethe.evaluator.contract.faults import FaultCode
from lethe.evaluator.dependencies.base import find_base
from lethe.evaluator.dependencies.confinement import Bounds
from lethe.evaluator.dependencies.errors import DependencyRefused
from lethe.evaluator.dependencies.installer import Installer, Workspace
from lethe.evaluator.settings import IndexSettings, LayerSettings
from lethe.sandbox.identity import Identity, blocking_path

_WANTED = ("einops", "toolz", "sortedcontainers", "iniconfig")
_BOUNDS = Bounds(wall_s=20.0, folder_bytes=64 * 2**20, folder_files=1_000)


def closed_layers_folder(settings: LayerSettings) -> str:
    """Why the folder of layers is unusable, empty if it is usable; it need not exist yet. Raises nothing."""
    folder = settings.layers_folder
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not os.access(there, os.W_OK | os.X_OK):
        return f"uid {os.geteuid()} cannot write to {there}"
    if folder.exists() and (folder.lstat().st_uid != os.geteuid() or folder.lstat().st_mode & 0o022):
        return f"{folder} can be written to by others than uid {os.geteuid()}"
    for uid in (settings.sandbox_uid, settings.installer_uid) if os.geteuid() == 0 else ():
        blocked = blocking_path(there, Identity(uid, uid, drops=True))
        if blocked is not None:
            return f"uid {uid} cannot pass {blocked}"
    return ""


def ask_index(settings: LayerSettings, index: IndexSettings) -> str:
    """Ask the package index for one package and return its answer; raises InstallerFailure or OSError without one."""
    uid = settings.installer_uid if os.geteuid() == 0 else None
    base = find_base()
    # uv asks the index only for packages that are not installed.
    wanted = next((name for name in _WANTED if name not in base.pins), _WANTED[0])
    installer = Installer(base, index={"UV_HTTP_RETRIES": "0", **index.variables()}, uid=uid)
    with tempfile.TemporaryDirectory(prefix="lethe-index-") as folder:
        root = Path(folder)
        root.chmod(0o755)
        for name in ("home", "tmp", "cache"):
            (root / name).mkdir(mode=0o755)
            if uid is not None:
                os.chown(root / name, uid, uid)
        try:
            installer.plan((wanted,), Workspace(root), _BOUNDS, threading.Event())
        except DependencyRefused as refusal:
            if refusal.code is not FaultCode.DEPENDENCY_UNKNOWN:
                raise
            return f"answers, and has no {wanted}"
    return f"answers, and has {wanted}"
