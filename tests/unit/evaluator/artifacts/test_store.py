"""Write once, verified, private: on a folder, in memory and on a real S3 server."""

import multiprocessing
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lethe.evaluator.artifacts import ArtifactConflict, ArtifactCorrupt, ArtifactMissing, ArtifactStore, open_store
from lethe.evaluator.artifacts.store import sha256_hex
from lethe.evaluator.contract.prepared_competition import ArtifactRef


@pytest.fixture(params=["file", "memory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactStore:
    urls = {"file": lambda: (tmp_path / "a store").as_uri(), "memory": lambda: "memory://"}
    return open_store(urls.get(request.param, lambda: request.getfixturevalue("s3_url"))())


def test_round_trip(store: ArtifactStore) -> None:
    ref = store.put("folder/name.bin", b"data")
    assert ref.sha256 == "3a6eb0790f39ac87c94f3856b2dd2c5d110e6811602261a9a923d3bb23adc8b7"
    assert store.get(ref) == store.get("folder/name.bin") == b"data"
    assert isinstance(store.get(ref), bytes)
    assert store.exists(ref)
    assert not store.exists("folder/other.bin")


def test_write_once(store: ArtifactStore) -> None:
    ref = store.put("k", b"one")
    assert store.put("k", b"one") == ref
    with pytest.raises(ArtifactConflict, match="k is already stored"):
        store.put("k", b"two")
    assert store.get(ref) == b"one"


def test_a_digest_that_the_caller_computed_is_checked_at_every_get(store: ArtifactStore) -> None:
    ref = store.put("k", b"one", sha256=sha256_hex(b"one"))
    assert ref == store.put("k", b"one")
    wrong = store.put("wrong", b"one", sha256=sha256_hex(b"two"))
    with pytest.raises(ArtifactCorrupt):
        store.get(wrong)


def test_large_artifact_is_written_once_too(store: ArtifactStore) -> None:
    data = os.urandom(12 * 2**20)  # above obstore's threshold for multipart uploads, which cannot refuse
    store.put("large", data)
    with pytest.raises(ArtifactConflict):
        store.put("large", data[:-1])


def test_a_copy_without_a_name_is_whole_and_leaves_nothing(
    store: ArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = os.urandom(9 * 2**20)  # more than one piece
    ref = store.put("large", data)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    with store.unnamed_copy(ref) as path:
        assert path.read_bytes() == path.read_bytes() == data
        assert list((tmp_path / "temporary").iterdir()) == []
    assert not path.exists()
    with pytest.raises(ArtifactCorrupt), store.unnamed_copy(ArtifactRef(key="large", sha256="0" * 64)):
        raise AssertionError("a damaged copy was handed out")


def test_missing_and_corrupt(store: ArtifactStore) -> None:
    with pytest.raises(ArtifactMissing, match="nothing"):
        store.get("nothing")
    ref = store.put("k", b"data")
    with pytest.raises(ArtifactCorrupt):
        store.get(ArtifactRef(key="k", sha256="0" * 64))
    with pytest.raises(ArtifactMissing):
        store.get(ArtifactRef(key="other", sha256=ref.sha256))


def test_list_names_a_folder_not_a_prefix_of_a_name(store: ArtifactStore) -> None:
    for key in ("bank/b/2", "bank/b/10", "bank/bb/1", "c"):
        store.put(key, b"")
    assert store.list("bank/b") == store.list("bank/b/") == ["bank/b/10", "bank/b/2"]
    assert store.list("bank") == ["bank/b/10", "bank/b/2", "bank/bb/1"]
    assert store.list("") == ["bank/b/10", "bank/b/2", "bank/bb/1", "c"]
    assert store.list("d") == []


def test_entries_tell_size_and_time_and_deleted_ones_are_gone(store: ArtifactStore) -> None:
    for name in "abc":
        store.put(f"folder/{name}", name.encode() * 3)
    entries = {entry.key: entry for entry in store.entries("folder")}
    assert {key: entry.size_bytes for key, entry in entries.items()} == dict.fromkeys(entries, 3)
    age_s = (datetime.now(UTC) - entries["folder/a"].modified_at).total_seconds()
    assert -5 < age_s < 60
    store.delete(["folder/a", "folder/c", "folder/never"])
    assert store.list("folder") == ["folder/b"]
    store.put("folder/a", b"again")
    store.probe()


@pytest.mark.parametrize("key", ["../x", "a/../../x", "", "/x", "a//b", "."])
def test_keys_do_not_climb(store: ArtifactStore, key: str) -> None:
    with pytest.raises(ValueError, match="is not a key"):
        store.put(key, b"")


def test_local_path_is_fetched_once_and_repaired(store: ArtifactStore, tmp_path: Path) -> None:
    ref = store.put("folder/x.safetensors", b"data")
    path = store.local_path(ref, tmp_path / "cache")
    assert path.read_bytes() == b"data"
    assert path.suffix == ".safetensors"
    assert path.stat().st_mode & 0o777 == 0o600
    before = path.stat().st_ino
    assert store.local_path(ref, tmp_path / "cache", mode=0o644) == path
    assert (path.stat().st_ino, path.stat().st_mode & 0o777) == (before, 0o644)
    path.write_bytes(b"spoiled")
    assert store.local_path(ref, tmp_path / "cache").read_bytes() == b"data"
    assert list((tmp_path / "cache").iterdir()) == [path]


def test_files_are_private(tmp_path: Path) -> None:
    previous = os.umask(0o000)
    try:
        open_store((tmp_path / "store").as_uri()).put("a/b/c", b"data")
    finally:
        os.umask(previous)
    modes = {path.name: path.stat().st_mode & 0o777 for path in [tmp_path / "store", *(tmp_path / "store").rglob("*")]}
    assert modes == {"store": 0o700, "a": 0o700, "b": 0o700, "c": 0o600}


def test_an_existing_folder_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    open_store(tmp_path.as_uri()).put("x", b"")
    assert tmp_path.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("url", ["file://host/x", "file:relative", "nonsense"])
def test_unusable_urls(url: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the last one's text is obstore's
        open_store(url)


def _race(url: str, data: bytes) -> bool:
    try:
        open_store(url).put("contested", data)
    except ArtifactConflict:
        return False
    return True


@pytest.mark.parametrize("kind", ["file", "s3"])
def test_exactly_one_of_many_writers_wins(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    url = tmp_path.as_uri() if kind == "file" else request.getfixturevalue("s3_url")
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        wins = pool.starmap(_race, [(url, bytes([n]) * 100_000) for n in range(16)])
    assert sum(wins) == 1
    assert open_store(url).get("contested") == bytes([wins.index(True)]) * 100_000


def test_any_range_can_be_read(store: ArtifactStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lethe.evaluator.artifacts.store._PIECE_BYTES", 7)
    data = bytes(range(100))
    ref = store.put("range", data)
    for start, end in ((0, 100), (3, 4), (50, 100), (99, 100)):
        pieces = [bytes(piece) for piece in store.read_range(ref, start, end)]
        assert b"".join(pieces) == data[start:end]
        assert max(map(len, pieces)) <= 7
    assert list(store.read_range(ref, 5, 5)) == []
    with pytest.raises(ArtifactMissing):
        next(store.read_range("nothing", 0, 1))
    path = store.path_of(ref)
    assert (path is not None) == store.url.startswith("file:")
    assert path is None or path.read_bytes() == data
    if path is not None:
        with pytest.raises(ArtifactMissing):
            store.path_of("nothing")
