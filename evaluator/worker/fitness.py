"""Proves that a worker's disk and store are fit for work, before it asks for any and after each fault of its own.

A worker with a full disk or another bucket would fail item after item that others can do.
"""

import shutil
from pathlib import Path

from lethe.evaluator.artifacts import ArtifactError, ArtifactStore
from lethe.evaluator.contract.prepared_competition import ArtifactRef
from lethe.evaluator.errors import EvaluatorError


class WorkerUnfit(EvaluatorError):
    """This machine cannot evaluate anything now; the message says what to mend."""


def require_fit(store: ArtifactStore, cache: Path, *, min_free_bytes: int) -> None:
    """Raise WorkerUnfit unless the cache has room and the store takes an artifact once, and only once."""
    cache.mkdir(parents=True, exist_ok=True, mode=0o700)
    free = shutil.disk_usage(cache).free
    if free < min_free_bytes:
        raise WorkerUnfit(
            f"{cache} has {free / 2**30:.1f} GiB of free space and a worker needs {min_free_bytes / 2**30:.1f}: make "
            "room, or set LETHE_CACHE or LETHE_MIN_FREE_BYTES"
        )
    try:
        store.prove()
    except ArtifactError as error:
        raise WorkerUnfit(f"{error}: see LETHE_ARTIFACTS_URL and AWS_…") from error


def require_same_store(store: ArtifactStore, known: ArtifactRef | None) -> None:
    """Raise WorkerUnfit unless `known`, an artifact of the server, is in the store too. None proves nothing."""
    try:
        is_there = known is None or store.exists(known)
    except ArtifactError as error:
        raise WorkerUnfit(str(error)) from error
    if not is_there:
        raise WorkerUnfit(
            f"{store.url} is not the server's artifact store: set LETHE_ARTIFACTS_URL as the server has it"
        )
