"""A worker that cannot do its work says what to mend and asks for none."""

from pathlib import Path

import obstore
import pytest
from obstore.store import MemoryStore

from lethe.evaluator.artifacts import ArtifactStore, ArtifactStoreAway, open_store
from lethe.evaluator.worker.fitness import WorkerUnfit, require_fit, require_same_store


def test_a_fit_worker_leaves_nothing_behind(tmp_path: Path) -> None:
    store = open_store((tmp_path / "store").as_uri())
    require_fit(store, tmp_path / "cache", min_free_bytes=0)
    require_fit(store, tmp_path / "cache", min_free_bytes=0)
    assert list(store.entries("proofs")) == []


def test_a_full_disk(tmp_path: Path) -> None:
    with pytest.raises(WorkerUnfit, match=r"make room, or set LETHE_CACHE or LETHE_MIN_FREE_BYTES"):
        require_fit(open_store("memory://"), tmp_path, min_free_bytes=2**62)


def test_a_store_that_does_not_answer(tmp_path: Path) -> None:
    store = open_store((tmp_path / "store").as_uri())
    (tmp_path / "store").rmdir()
    (tmp_path / "store").write_text("a file where the folder was")
    with pytest.raises(WorkerUnfit, match="LETHE_ARTIFACTS_URL"):
        require_fit(store, tmp_path / "cache", min_free_bytes=0)


def test_another_store_than_the_servers(tmp_path: Path) -> None:
    ours, theirs = (open_store((tmp_path / name).as_uri()) for name in ("ours", "theirs"))
    known = theirs.put("data/visible", b"photographs")
    require_same_store(theirs, known)
    require_same_store(ours, None)
    with pytest.raises(WorkerUnfit, match="is not the server's artifact store"):
        require_same_store(ours, known)


def test_a_store_that_overwrites(monkeypatch: pytest.MonkeyPatch) -> None:
    put = obstore.put
    monkeypatch.setattr(obstore, "put", lambda store, key, data, **_: put(store, key, data))
    with pytest.raises(ArtifactStoreAway, match="If-None-Match"):
        ArtifactStore(MemoryStore(), "memory://").prove()


@pytest.mark.slow
def test_s3_refuses_to_overwrite(s3_url: str) -> None:
    store = open_store(s3_url)
    store.prove()
    assert list(store.entries("proofs")) == []
