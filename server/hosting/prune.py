"""Finds and deletes outputs that nothing needs: of superseded generations, of ended evaluations, without references.

Only keys below `submissions/` are considered. Each contains the fencing token of the claim or scoring that wrote it, so
none is ever written again. Data and banks are named by their content and may be used again at any time; sources stay.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from lethe.evaluator.artifacts import StoredArtifact
from lethe.server.audit_log.events import record
from lethe.server.context import Context
from lethe.server.hosting import queries
from lethe.server.hosting.artifact_references import references, refs_in
from lethe.server.models import WorkItem
from lethe.server.models.times import utc_now

FOLDER = "submissions"
SUPERSEDED = "a newer generation is scored"
ENDED = "the evaluation ended without them"
UNREFERENCED = "nothing refers to them"


@dataclass(frozen=True)
class Waste:
    """What may be deleted, by reason; nothing has needed it since `cutoff`."""

    cutoff: datetime
    artifacts: dict[str, tuple[StoredArtifact, ...]]

    @property
    def size_bytes(self) -> int:
        return sum(artifact.size_bytes for found in self.artifacts.values() for artifact in found)

    @property
    def count(self) -> int:
        return sum(len(found) for found in self.artifacts.values())


def find_waste(context: Context, *, older_than: timedelta, now: datetime | None = None) -> Waste:
    """Return what `delete_waste` would delete now; change nothing.

    A worker may store a run long before the server records it, so artifacts without references must also be old.
    """
    cutoff = (now or utc_now()) - older_than
    listed = {artifact.key: artifact for artifact in context.artifacts.entries(FOLDER)}
    with context.database.read() as session:
        packs = queries.superseded_packs(session, cutoff)
        superseded = {key for pack in packs for key in (pack.key, *(ref.key for ref in refs_in(pack.further)))}
        ended = {ref.key for item in _useless_items(session, cutoff) for ref in refs_in(item.finished)}
        needed = {ref.key for ref in references(session)} - superseded - ended
    unreferenced = [key for key, artifact in listed.items() if artifact.modified_at < cutoff and key not in needed]
    return Waste(
        cutoff=cutoff,
        artifacts={
            SUPERSEDED: _pick(listed, superseded),
            ENDED: _pick(listed, ended),
            UNREFERENCED: _pick(listed, set(unreferenced) - superseded - ended),
        },
    )


def delete_waste(context: Context, waste: Waste) -> tuple[StoredArtifact, ...]:
    """Delete the part of `waste` that nothing refers to, and return it.

    References are removed first, so a crash in between leaves files that the next call finds. Artifacts that are needed
    again since `waste` was found stay.
    """
    with context.database.write() as session:
        for pack in queries.superseded_packs(session, waste.cutoff):
            session.delete(pack)
        for item in _useless_items(session, waste.cutoff):
            item.finished = {
                index: record | {"outputs": None, "audit": None} for index, record in item.finished.items()
            }
        needed = {ref.key for ref in references(session)}
        listed = (artifact for found in waste.artifacts.values() for artifact in found)
        doomed = tuple(artifact for artifact in listed if artifact.key not in needed)
        size_bytes = sum(artifact.size_bytes for artifact in doomed)
        record(session, "storage.prune", "artifacts", artifacts=len(doomed), size_bytes=size_bytes)
    context.artifacts.delete(artifact.key for artifact in doomed)
    return doomed


def _pick(listed: dict[str, StoredArtifact], keys: Iterable[str]) -> tuple[StoredArtifact, ...]:
    return tuple(listed[key] for key in sorted(keys) if key in listed)


def _useless_items(session: Session, cutoff: datetime) -> list[WorkItem]:
    """Return run items with single outputs that no score will be computed from: their evaluation has ended."""
    ended = queries.ended_run_items(session, cutoff)
    return [item for item in ended if any(record["outputs"] is not None for record in item.finished.values())]
