"""Backups: a dump of the database, a manifest of every artifact that it needs, and on request the artifacts."""

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from lethe import __version__
from lethe.evaluator.artifacts import ArtifactMissing
from lethe.evaluator.artifacts.store import digest_of_file
from lethe.evaluator.contract.base import Contract
from lethe.evaluator.contract.prepared_competition import ArtifactRef
from lethe.server.audit_log.events import record
from lethe.server.context import Context
from lethe.server.database import dump as dumps
from lethe.server.database.engine import Database
from lethe.server.database.migration import migrate, revisions
from lethe.server.errors import ConfigurationError
from lethe.server.hosting import queries
from lethe.server.hosting.artifact_references import bank_references, references
from lethe.server.models.times import utc_now
from lethe.server.queue import leases

BACKUP = "storage.backup"
"""The action in the audit log."""
MANIFEST = "manifest.json"
ARTIFACTS = "artifacts"

ReportProgress = Callable[[int, int], None]
"""Called with the number of artifacts done and of all."""


class BackedUpArtifact(Contract):
    """One artifact that the dump needs."""

    key: str
    sha256: str
    size_bytes: int = Field(ge=0)


class Manifest(Contract):
    """What a backup consists of. `missing` were needed and not in the store when it was made."""

    format: Literal[1] = 1
    lethe: str
    created_at: datetime
    database: Literal["sqlite", "postgresql"]
    schema_revision: str
    dump: str = Field(pattern=r"^database\.(sqlite|dump)$")
    dump_sha256: str
    artifacts_included: bool
    artifacts: tuple[BackedUpArtifact, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True)
class Restored:
    """What a restore did: artifacts copied back, and keys that the database needs and the store lacks."""

    copied: int
    missing: tuple[str, ...]


class BackupUnusable(ConfigurationError):
    """The folder is no backup, a damaged one, or one that does not fit here."""

    code = "backup_unusable"


def back_up(context: Context, folder: Path, *, with_artifacts: bool, progress: ReportProgress) -> Manifest:
    """Write a backup into `folder`, which appears only when it is complete, and return its manifest; work may go on.

    Dump and manifest are of one moment. The audit log then says when, which `/metrics` shows. Artifacts that the newest
    backup beside it holds are links to the same files, since no artifact ever changes. Raises ConfigurationError when
    `folder` exists or a pooler stands before the database, and DumpFailed; what was written is then removed.
    """
    if folder.exists():
        raise ConfigurationError(f"{folder} exists already: name a new folder for the backup")
    context.database.require_direct("pg_dump")
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.with_name(f".{folder.name}.partial-{os.getpid()}")
    partial.mkdir(mode=0o700)
    try:
        manifest = _write(context, partial, with_artifacts=with_artifacts, progress=progress)
        partial.rename(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)  # else nights without room would add up
        raise
    with context.database.write() as session:
        record(session, BACKUP, "database", artifacts=len(manifest.artifacts), included=with_artifacts)
    return manifest


def _write(context: Context, partial: Path, *, with_artifacts: bool, progress: ReportProgress) -> Manifest:
    with context.database.read() as session:
        dumps.start_snapshot(context.database, session)
        dump = dumps.dump(context.database, session, partial)
        revision = queries.schema_revision(session)
        needed = {ref.key: ref for ref in references(session)}
        needed |= {ref.key: ref for ref in bank_references(session, context.artifacts)}
    listed = {artifact.key: artifact.size_bytes for artifact in context.artifacts.entries("")}
    # Checkpoints of oracles may have been pruned on purpose; their outputs are what scores need.
    missing = {key for key in needed if key not in listed and "/checkpoints/" not in key}
    present = [needed[key] for key in sorted(needed) if key in listed]
    if with_artifacts:
        earlier = _newest_artifacts(partial.parent)
        missing |= _copy_out(context, present, partial / ARTIFACTS, earlier, progress)
    manifest = Manifest(
        lethe=__version__,
        created_at=utc_now(),
        database="sqlite" if context.database.is_sqlite else "postgresql",
        schema_revision=revision,
        dump=dump.name,
        dump_sha256=digest_of_file(dump),
        artifacts_included=with_artifacts,
        artifacts=tuple(
            BackedUpArtifact(key=ref.key, sha256=ref.sha256, size_bytes=listed[ref.key])
            for ref in present
            if ref.key not in missing
        ),
        missing=tuple(sorted(missing)),
    )
    _write_private(partial / MANIFEST, manifest.model_dump_json(indent=1))
    return manifest


def _newest_artifacts(folder: Path) -> tuple[Path, dict[str, str]] | None:
    """Return where the newest complete backup in `folder` has its artifacts, and their digests; None without one."""
    for path in sorted(folder.glob(f"*/{MANIFEST}"), key=lambda path: path.stat().st_mtime, reverse=True):
        with suppress(OSError, ValidationError):
            manifest = Manifest.model_validate_json(path.read_bytes())
            if manifest.artifacts_included:
                return path.parent / ARTIFACTS, {artifact.key: artifact.sha256 for artifact in manifest.artifacts}
    return None


def _copy_out(
    context: Context,
    refs: list[ArtifactRef],
    folder: Path,
    earlier: tuple[Path, dict[str, str]] | None,
    progress: ReportProgress,
) -> set[str]:
    """Copy or link the artifacts; return the keys that were gone by then, such as runs that were packed meanwhile."""
    gone = set()
    place, digests = (folder, {}) if earlier is None else earlier
    for done, ref in enumerate(refs, start=1):
        path = folder / ref.key
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            if digests.get(ref.key) != ref.sha256 or not _link(place / ref.key, path):
                context.artifacts.fetch(ref, path)
        except ArtifactMissing:
            gone.add(ref.key)
        progress(done, len(refs))
    return gone


def _link(existing: Path, path: Path) -> bool:
    """Return whether `path` is now another name of the file; some file systems have no such names."""
    try:
        path.hardlink_to(existing)
    except OSError:
        return False
    return True


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a backup whose files are complete and have their digests; raises BackupUnusable."""
    try:
        manifest = Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    except (OSError, ValidationError) as error:
        raise BackupUnusable(f"{folder} is not a backup that lethe admin backup has completed: {error}") from error
    _verify(folder / manifest.dump, manifest.dump_sha256)
    if manifest.artifacts_included:
        for artifact in manifest.artifacts:
            _verify(folder / ARTIFACTS / artifact.key, artifact.sha256)
    return manifest


def restore(
    context: Context, folder: Path, manifest: Manifest, *, overwrite: bool, progress: ReportProgress
) -> Restored:
    """Replace the database with a verified backup, migrate it to the newest schema, and return what the store lacks.

    Artifacts come first: they are write-once, so a conflict stops everything before the database is touched. Raises
    ConfigurationError when the database is not empty and `overwrite` is not given, is in use, or is behind a pooler.
    """
    database = context.database
    _require_fitting(database, manifest)
    database.require_direct("pg_restore")
    if not dumps.is_empty(database):
        if not overwrite:
            raise ConfigurationError(
                "the database is not empty: --yes replaces everything in it (lethe admin backup saves it before)"
            )
        dumps.require_idle(database)
    copied = 0
    if manifest.artifacts_included:
        for copied, artifact in enumerate(manifest.artifacts, start=1):
            context.artifacts.put(artifact.key, (folder / ARTIFACTS / artifact.key).read_bytes())
            progress(copied, len(manifest.artifacts))
    dumps.restore(database, folder / manifest.dump)
    migrate(database)
    with database.write() as session:
        leases.fence_off(session)
        record(session, "storage.restore", "database", made_at=manifest.created_at.isoformat())
    listed = {artifact.key: artifact.size_bytes for artifact in context.artifacts.entries("")}
    missing = [one.key for one in manifest.artifacts if listed.get(one.key) != one.size_bytes]
    return Restored(copied=copied, missing=tuple(missing))


def _require_fitting(database: Database, manifest: Manifest) -> None:
    if manifest.database != dumps.kind_of(database):
        raise BackupUnusable(
            f"the backup is of {manifest.database}, LETHE_DATABASE_URL names {dumps.kind_of(database)}"
        )
    if manifest.schema_revision not in revisions():
        raise BackupUnusable(
            f"the backup has schema {manifest.schema_revision}, which this Lethe does not know: install the version "
            f"that made it ({manifest.lethe}) or a newer one"
        )


def _verify(path: Path, sha256: str) -> None:
    try:
        found = digest_of_file(path)
    except OSError as error:
        raise BackupUnusable(f"the backup lacks {path}: {error.strerror}") from error
    if found != sha256:
        raise BackupUnusable(f"the backup is damaged: {path} does not have the SHA-256 {sha256}")


def _write_private(path: Path, content: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
