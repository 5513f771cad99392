"""Write-once artifacts, and the readers of stored outputs and oracle banks. No torch in here."""

from lethe.evaluator.artifacts.store import (
    ArtifactConflict,
    ArtifactCorrupt,
    ArtifactError,
    ArtifactMissing,
    ArtifactStore,
    ArtifactStoreAway,
    ArtifactStoreFull,
    ArtifactStoreUnusable,
    StoredArtifact,
    open_store,
)

__all__ = [
    "ArtifactConflict",
    "ArtifactCorrupt",
    "ArtifactError",
    "ArtifactMissing",
    "ArtifactStore",
    "ArtifactStoreAway",
    "ArtifactStoreFull",
    "ArtifactStoreUnusable",
    "StoredArtifact",
    "open_store",
]
