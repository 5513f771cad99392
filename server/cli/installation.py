"""Checks what this machine's settings name: disk, GPU, database, broker, artifacts, packages. Leaves nothing behind."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

from lethe.sandbox.doctor import HostFinding
from lethe.server.settings import Settings

GIB = 2**30
HOME_BYTES = 2 * GIB
TEMPORARY_BYTES = GIB // 2
_PROGRAM_S = 15.0
_NOTHING_YET = "nothing there yet; lethe up or lethe migrate creates it"


def look(settings: Settings) -> list[HostFinding]:
    """Return a finding for each part. A part must work only if a setting names it or it exists. Raises nothing."""
    checks: dict[str, Callable[[], HostFinding]] = {
        "disk": partial(_disk, settings),
        "temporary space": _temporary_space,
        "gpu": _gpu,
        "database": partial(_database, settings),
        "broker": partial(_broker, settings),
        "artifacts": partial(_artifacts, settings),
        "layers": _layers_folder,
        "package index": _package_index,
    }
    return [if_installed(name, check) for name, check in checks.items()]


def if_installed(name: str, check: Callable[[], HostFinding]) -> HostFinding:
    """Return the check's finding, or that its packages are not on this machine, which may need only some extras."""
    try:
        return check()
    except ModuleNotFoundError as error:
        remedy = "if this machine needs it, install Lethe with the extra, in a checkout: pip install '.[server,worker]'"
        return HostFinding(name, False, False, f"not checked, {error.name} is not installed", remedy)


def _disk(settings: Settings) -> HostFinding:
    there = next(path for path in (settings.home, *settings.home.parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        detail = f"{there} {'cannot be written to' if there.is_dir() else 'is not a folder'}"
        return HostFinding("disk", False, True, detail, "choose another folder with --home or LETHE_HOME")
    remedy = "free some space there, or choose another folder with --home or LETHE_HOME"
    return _space("disk", settings.home, HOME_BYTES, remedy)


def _temporary_space() -> HostFinding:
    remedy = "free some space there, or set TMPDIR to another folder that everybody can read"
    return _space("temporary space", Path(tempfile.gettempdir()), TEMPORARY_BYTES, remedy)


def _space(name: str, folder: Path, wanted_bytes: int, remedy: str) -> HostFinding:
    there = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        free_bytes = shutil.disk_usage(there).free
    except OSError as error:
        return HostFinding(name, False, True, f"{there} cannot be read: {error.strerror}", remedy)
    detail = f"{free_bytes / GIB:.1f} GiB free for {folder}"
    if free_bytes >= wanted_bytes:
        return HostFinding(name, True, True, detail)
    return HostFinding(name, False, True, f"{detail}, {wanted_bytes / GIB:.1f} needed", remedy)


def _gpu() -> HostFinding:
    """Find GPUs. A machine without one evaluates on its processor, but a GPU that LETHE_GPU names must exist."""
    from lethe.evaluator.gpus import find_gpus
    from lethe.evaluator.settings import SandboxSettings
    from lethe.sandbox.errors import SandboxUnavailable
    from lethe.sandbox.gpu import device_nodes

    gpu = SandboxSettings().gpu
    try:
        is_named = gpu is not None and bool(device_nodes(gpu))
    except SandboxUnavailable as error:
        detail, _, remedy = str(error).partition(": ")
        return HostFinding("gpu", False, True, detail, f"{remedy}; or correct LETHE_GPU")
    program = shutil.which("nvidia-smi")
    if program is None:
        found = ", ".join(each.name for each in find_gpus())
        if found:
            remedy = "install the driver's programs, so that GPU memory can be watched"
            return HostFinding("gpu", False, is_named, f"{found}, but no nvidia-smi", remedy)
        return HostFinding("gpu", True, False, "none; evaluations use the processor")
    try:
        listed = subprocess.run([program, "-L"], capture_output=True, text=True, check=True, timeout=_PROGRAM_S).stdout
    except (OSError, subprocess.SubprocessError) as error:
        return HostFinding("gpu", False, is_named, f"nvidia-smi fails: {error}", "reload or reinstall the driver")
    names = [line.partition(" (")[0] for line in listed.splitlines() if line.startswith("GPU ")]
    return HostFinding("gpu", True, False, "; ".join(names) or "none; evaluations use the processor")


def _database(settings: Settings) -> HostFinding:
    from alembic.script import ScriptDirectory
    from sqlalchemy.exc import SQLAlchemyError

    from lethe.server.database.engine import MOVE_DATABASE, Database
    from lethe.server.database.file_systems import network_file_system
    from lethe.server.database.migration import alembic_config
    from lethe.server.errors import ConfigurationError
    from lethe.server.hosting.queries import schema_revision

    is_named = bool(settings.database_url.get_secret_value())
    try:
        database = Database(settings.database)
    except (ConfigurationError, SQLAlchemyError, ImportError) as error:
        return HostFinding("database", False, True, str(error), "correct LETHE_DATABASE_URL")
    shown = database.url.render_as_string(hide_password=True)
    if database.is_sqlite and not Path(database.url.database or "").exists():
        kind = network_file_system(Path(database.url.database or ""))
        if kind is not None:
            return HostFinding("database", False, False, f"{shown} would be on a network: {kind}", MOVE_DATABASE)
        return HostFinding("database", not is_named, is_named, f"{shown}: {_NOTHING_YET}", "lethe migrate")
    try:
        with database.read() as session:
            version = schema_revision(session)
            newest = ScriptDirectory.from_config(alembic_config(session.connection())).get_current_head()
    except SQLAlchemyError as error:
        first = str(error.__cause__ or error).splitlines()[0]
        is_away = "alembic_version" not in str(error)
        remedy = "start it, or correct LETHE_DATABASE_URL" if is_away else "lethe migrate"
        return HostFinding("database", False, True, f"{shown}: {first}", remedy)
    finally:
        database.dispose()
    if version != newest:
        return HostFinding("database", False, True, f"{shown}: schema {version}, not {newest}", "lethe migrate")
    if database.weakness is not None:
        return HostFinding("database", False, False, database.weakness, MOVE_DATABASE)
    pooled = ", behind a pooler" if database.is_pooled else ""
    return HostFinding("database", True, True, f"{shown}{pooled}, schema {version}")


def _broker(settings: Settings) -> HostFinding:
    """Check the broker, which is never required: without it, work only starts seconds later."""
    url = settings.broker
    if urlsplit(url).scheme == "filesystem":
        return _folder("broker", Path(urlsplit(url).path), is_named=bool(settings.broker_url.get_secret_value()))

    def answers() -> bool:
        from lethe.server.broker.wake_ups import Waker, create_celery

        try:
            return Waker(create_celery(url)).is_reachable()
        except KeyError as error:  # kombu knows no transport of this name
            raise ValueError(str(error.args[0])) from None

    remedy = "start it, or correct LETHE_BROKER_URL"
    return _asked("broker", shown_url(url), answers, remedy, required=False)


def _artifacts(settings: Settings) -> HostFinding:
    url = settings.artifacts
    is_named = bool(settings.artifacts_url)
    parts = urlsplit(url)
    if parts.scheme == "file":
        folder = _folder("artifacts", Path(unquote(parts.path)), is_named=is_named)
        if not folder.ok or not Path(unquote(parts.path)).exists():
            return folder

    def answers() -> bool:
        from lethe.evaluator.artifacts import open_store

        open_store(url).prove()
        return True

    remedy = "correct LETHE_ARTIFACTS_URL and the store's credentials"
    found = _asked("artifacts", shown_url(url), answers, remedy, required=True)
    return replace(found, detail=f"{found.detail}, takes each artifact once") if found.ok else found


def _layers_folder() -> HostFinding:
    from lethe.evaluator.dependencies.probe import closed_layers_folder
    from lethe.evaluator.settings import LayerSettings

    settings = LayerSettings()
    reason = closed_layers_folder(settings)
    if not reason:
        return HostFinding("layers", True, False, f"{settings.layers_folder}, for packages of submissions")
    remedy = "set LETHE_LAYERS to a folder that this user alone can write to and everybody can read"
    return HostFinding("layers", False, False, reason, remedy)


def _package_index() -> HostFinding:
    """Check the package index, which is never required: only submissions that name packages need it."""
    from lethe.evaluator.dependencies.errors import DependencyRefused, InstallerFailure
    from lethe.evaluator.dependencies.probe import ask_index
    from lethe.evaluator.settings import IndexSettings, LayerSettings

    try:
        said = ask_index(LayerSettings(), IndexSettings())
    except (DependencyRefused, InstallerFailure, OSError) as error:
        remedy = "correct UV_DEFAULT_INDEX (and SSL_CERT_FILE, the proxies); without it, set dependencies.mode = 'none'"
        return HostFinding("package index", False, False, str(error).splitlines()[0], remedy)
    return HostFinding("package index", True, False, said)


def _folder(name: str, folder: Path, *, is_named: bool) -> HostFinding:
    if not folder.exists() and is_named:
        return HostFinding(name, False, False, f"{folder} does not exist", "mount it; if it is new, Lethe creates it")
    if not folder.exists():
        return HostFinding(name, True, False, f"{folder}: {_NOTHING_YET}")
    try:
        with tempfile.TemporaryFile(dir=folder):
            return HostFinding(name, True, True, f"{folder}, writable")
    except OSError as error:
        variable = f"LETHE_{name.upper()}_URL" if is_named else "LETHE_HOME"
        remedy = f"give this user the folder: chown -R $(id -u) {folder}; or correct {variable}"
        return HostFinding(name, False, True, f"{folder} cannot be written to: {error.strerror}", remedy)


def _asked(name: str, shown: str, answers: Callable[[], bool], remedy: str, *, required: bool) -> HostFinding:
    from lethe.evaluator.artifacts import ArtifactError

    try:
        is_there = answers()
    except (ArtifactError, OSError, ValueError) as error:
        lines = str(error).splitlines()
        return HostFinding(name, False, required, f"{shown}: {lines[0] if lines else type(error).__name__}", remedy)
    return HostFinding(
        name, is_there, required, shown if is_there else f"{shown} does not answer", "" if is_there else remedy
    )


def shown_url(url: str) -> str:
    """Return `url` without credentials and query."""
    parts = urlsplit(url)._replace(query="")
    user, at, place = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"***{at}{place}" if user else place).geturl()
