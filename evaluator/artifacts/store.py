"""The write-once artifact store: bytes under a key, verified by digest, on any back end that obstore knows."""

import errno
import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from glob import escape
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryFile
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import LocalStore, MemoryStore, ObjectStore, from_url

from lethe.evaluator.contract.prepared_competition import ArtifactRef
from lethe.evaluator.errors import EvaluatorError

_CONNECT_S = 3.0
_SILENCE_S = 30.0
_REQUEST_S = 300.0
_RETRIES = 6
_LONGEST_BACKOFF_S = 2.0
_RETRY_FOR_S = 20.0
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}
_CHUNK_BYTES = 8 * 2**20
_PIECE_BYTES = 2**20
_DELETED_AT_ONCE = 1000
_PROOFS = "proofs"
_NOT_IMPLEMENTED = "501 Not Implemented"
_REFUSED = re.compile(r"status code: 4\d\d|redirect without LOCATION")  # the latter: another region


class ArtifactError(EvaluatorError):
    """Root of everything that the store raises, except ValueError for unusable keys and URLs."""


class ArtifactMissing(ArtifactError):
    """Nothing is stored under the key."""


class ArtifactConflict(ArtifactError):
    """Other bytes are already stored under the key; artifacts never change."""


class ArtifactCorrupt(ArtifactError):
    """The stored bytes are not the ones that the reference names."""


class ArtifactStoreAway(ArtifactError):
    """The store did not answer, or refused, after some seconds of retries: the platform's fault; try again."""


class ArtifactStoreUnusable(ArtifactStoreAway):
    """The store answers, and waiting will not help: it overwrites, lacks the bucket, or refuses these credentials."""


class ArtifactStoreFull(ArtifactStoreAway):
    """No space is left; no part of the artifact was kept."""


@dataclass(frozen=True)
class StoredArtifact:
    """One artifact of a listing."""

    key: str
    size_bytes: int
    modified_at: datetime


def sha256_hex(data: bytes) -> str:
    """The SHA-256 of `data` in lower-case hexadecimal."""
    return hashlib.sha256(data).hexdigest()


class ArtifactStore:
    """Write-once bytes under keys such as `banks/3f…/outputs/0007.safetensors`.

    Safe for any number of processes and machines at once: a reader sees a whole artifact or none. Keys are relative,
    with `/` between parts; a key that climbs (`..`) raises ValueError. Every method raises ArtifactStoreAway when the
    store stays away for longer than some seconds of retries.
    """

    def __init__(self, backend: ObjectStore, url: str) -> None:
        self._backend = backend
        self.url = url

    def noting(self, folder: str) -> "ArtifactStore":
        """The same store, which notes each key below `folder` before it stores anything under it.

        A note's content is the key; it is under another key for each.
        """
        return _NotingStore(self._backend, self.url, folder)

    def put(self, key: str, data: bytes, *, sha256: str | None = None) -> ArtifactRef:
        """Store `data` under `key` and return the reference to it.

        Storing the same bytes again changes nothing; raises ArtifactConflict when other bytes are there and
        ArtifactStoreFull when there is no space. `sha256` is the digest of `data` from a caller that has computed it
        already; every `get` checks it, so with a wrong one the artifact is corrupt from the start.
        """
        ref = ArtifactRef(key=key, sha256=sha256 or sha256_hex(data))
        _require_key(key)
        with self._translating_errors():
            self._make_private_folders(key)
            try:
                # One request, not multipart: only a single put can be refused atomically when the key exists.
                obstore.put(self._backend, key, data, mode="create", use_multipart=False)
            except AlreadyExistsError:
                # A retried put whose first answer got lost finds its own bytes here.
                if sha256_hex(self.get(key)) != ref.sha256:
                    raise ArtifactConflict(f"{key} is already stored with other content") from None
            self._make_durable(key)
        return ref

    def put_named_by_digest(self, stem: str, data: bytes, suffix: str) -> ArtifactRef:
        """Store `data` under a key that contains its digest, so that different bytes never collide."""
        sha256 = sha256_hex(data)
        return self.put(f"{stem}-{sha256[:16]}{suffix}", data, sha256=sha256)

    def get(self, artifact: ArtifactRef | str) -> bytes:
        """The stored bytes, checked against the digest when a reference is given.

        Raises ArtifactMissing, or ArtifactCorrupt when the digest differs.
        """
        key = _key_of(artifact)
        with self._translating_errors(), self._raising_missing(key):
            data = obstore.get(self._backend, key).bytes().to_bytes()
        if isinstance(artifact, ArtifactRef) and sha256_hex(data) != artifact.sha256:
            raise self._corrupt(artifact)
        return data

    def path_of(self, artifact: ArtifactRef | str) -> Path | None:
        """The artifact's file, to be read only, where the store is a folder of this machine; raises ArtifactMissing."""
        if not isinstance(self._backend, LocalStore) or self._backend.prefix is None:
            return None
        path = Path(self._backend.prefix) / _key_of(artifact)
        with self._translating_errors(), self._raising_missing(_key_of(artifact)):
            path.stat()
        return path

    def read_range(self, artifact: ArtifactRef | str, start: int, end: int) -> Iterator[memoryview]:
        """Yield the bytes from `start` until before `end` in pieces, which no digest is checked for.

        Each piece is one request of its own, so a reader may take as long as it likes. Raises ArtifactMissing.
        """
        key = _key_of(artifact)
        for place in range(start, end, _PIECE_BYTES):
            with self._translating_errors(), self._raising_missing(key):
                piece = obstore.get_range(self._backend, key, start=place, end=min(place + _PIECE_BYTES, end))
            yield memoryview(piece)

    def exists(self, artifact: ArtifactRef | str) -> bool:
        """Whether something is stored under the key; its bytes are not read."""
        key = _key_of(artifact)
        try:
            with self._translating_errors(), self._raising_missing(key):
                obstore.head(self._backend, key)
        except ArtifactMissing:
            return False
        return True

    def list(self, prefix: str) -> "list[str]":
        """The keys below the folder `prefix`, sorted; empty when there are none."""
        return sorted(artifact.key for artifact in self.entries(prefix))

    def entries(self, prefix: str) -> Iterator[StoredArtifact]:
        """The artifacts below the folder `prefix`, in no particular order."""
        with self._translating_errors():
            for batch in obstore.list(self._backend, prefix.rstrip("/")):
                for meta in batch:
                    yield StoredArtifact(meta["path"], meta["size"], meta["last_modified"])

    def delete(self, keys: Iterable[str]) -> None:
        """Remove the artifacts under `keys`, ignoring missing ones. Nothing may refer to them any more."""
        wanted = list(keys)
        for key in wanted:
            _require_key(key)
        with self._translating_errors():
            if not isinstance(self._backend, LocalStore):
                for start in range(0, len(wanted), _DELETED_AT_ONCE):
                    obstore.delete(self._backend, wanted[start : start + _DELETED_AT_ONCE])
                return
            for key in wanted:
                with suppress(FileNotFoundError):
                    obstore.delete(self._backend, key)
                self._delete_partial(key)

    def probe(self) -> None:
        """Return when the store answers and its folder or bucket exists; raises ArtifactStoreAway."""
        with self._translating_errors():
            if isinstance(self._backend, LocalStore) and not Path(self._backend.prefix or "/").is_dir():
                raise FileNotFoundError(errno.ENOENT, "there is no such folder")
            next(iter(obstore.list(self._backend, "readiness-probe")), None)

    def prove(self) -> None:
        """Return when the store keeps what is put, and refuses to overwrite it.

        Some stores ignore `If-None-Match` and overwrite without a word, which would let a late worker change outputs.
        Raises ArtifactStoreUnusable when the store must be changed, and ArtifactStoreAway when it does not answer.
        """
        key = f"{_PROOFS}/{uuid4().hex}"
        with self._translating_errors(), self._naming_refusals():
            self._make_private_folders(key)
            obstore.put(self._backend, key, b"first", mode="create", use_multipart=False)
            try:
                obstore.put(self._backend, key, b"second", mode="create", use_multipart=False)
            except AlreadyExistsError:
                return
            finally:
                with suppress(BaseError, OSError):  # who may not delete leaves a few bytes, which nothing reads
                    obstore.delete(self._backend, key)
        raise ArtifactStoreUnusable(f"{self.url} overwrites artifacts: use a store that honours If-None-Match on a put")

    def local_path(self, ref: ArtifactRef, cache_dir: Path, *, mode: int = 0o600) -> Path:
        """A verified local file with the artifact's bytes and permission bits `mode`, fetched once into `cache_dir`.

        The file is named by its digest and never changes, so it may be memory-mapped and bound into a sandbox. A copy
        that no longer has the right bytes is fetched again, in pieces, so that memory does not bound its size. Raises
        as `get` does, and OSError when the cache cannot be written.
        """
        cache_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = cache_dir / (ref.sha256 + Path(ref.key).suffix)
        if not (path.is_file() and digest_of_file(path) == ref.sha256):
            self.fetch(ref, path)
        path.chmod(mode)
        return path

    def fetch(self, ref: ArtifactRef, path: Path) -> None:
        """Write the artifact to `path`, which appears only when it is complete and verified; raises as `get` does."""
        with NamedTemporaryFile(dir=path.parent, prefix=".fetch-", delete=False) as partial:
            try:
                for piece in self._pieces(ref):
                    partial.write(piece)
                partial.flush()
                Path(partial.name).replace(path)
            except BaseException:
                Path(partial.name).unlink(missing_ok=True)
                raise

    @contextmanager
    def unnamed_copy(self, ref: ArtifactRef) -> Iterator[Path]:
        """Yield the path of a verified copy on this machine's disk that has no name in any folder.

        Nothing of it is left behind, whatever ends the process, so it may be of hidden photographs. Memory does not
        bound its size. Raises as `get` does, and OSError when there is no space for temporary files.
        """
        with TemporaryFile() as copy:
            for piece in self._pieces(ref):
                copy.write(piece)
            copy.flush()
            yield Path(f"/dev/fd/{copy.fileno()}")

    def _pieces(self, ref: ArtifactRef) -> Iterator[bytes]:
        """The artifact's bytes in order; raises ArtifactCorrupt after the last one when the digest differs."""
        digest = hashlib.sha256()
        with self._translating_errors(), self._raising_missing(ref.key):
            stream = iter(obstore.get(self._backend, ref.key).stream(min_chunk_size=_CHUNK_BYTES))
        while True:
            with self._translating_errors():
                piece = next(stream, None)
            if piece is None:
                break
            data = bytes(piece)
            digest.update(data)
            yield data
        if digest.hexdigest() != ref.sha256:
            raise self._corrupt(ref)

    def _corrupt(self, ref: ArtifactRef) -> ArtifactCorrupt:
        return ArtifactCorrupt(f"{ref.key} in {self.url} does not have the SHA-256 {ref.sha256}")

    @contextmanager
    def _raising_missing(self, key: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise ArtifactMissing(f"{key} is not in the artifact store {self.url}") from None

    @contextmanager
    def _translating_errors(self) -> Iterator[None]:
        """Turn errors of the back end into the store's own, in one line."""
        try:
            yield
        except (BaseError, OSError) as error:
            first = _first_line(error)
            # For a local disk, obstore gives the system's error number only in its text.
            is_full = any(f"(os error {number})" in first for number in _NO_SPACE)
            if is_full or getattr(error, "errno", None) in _NO_SPACE:
                raise ArtifactStoreFull(f"the artifact store {self.url} is full") from error
            raise ArtifactStoreAway(f"the artifact store {self.url} fails: {first}") from error

    @contextmanager
    def _naming_refusals(self) -> Iterator[None]:
        """Turn errors of a store that answers into ArtifactStoreUnusable, which says what to mend."""
        try:
            yield
        except (FileNotFoundError, NotADirectoryError):
            what = "folder" if isinstance(self._backend, LocalStore) else "bucket"
            raise ArtifactStoreUnusable(f"{self.url} has no {what} yet, or it was removed: create it") from None
        except (PermissionError, PermissionDeniedError, UnauthenticatedError):
            raise ArtifactStoreUnusable(
                f"{self.url} refuses to store anything: correct its credentials and permissions"
            ) from None
        except BaseError as error:
            if _NOT_IMPLEMENTED in str(error):
                raise ArtifactStoreUnusable(
                    f"{self.url} does not know If-None-Match on a put (501 Not Implemented): use a store that does"
                ) from None
            if _REFUSED.search(str(error)):
                raise ArtifactStoreUnusable(f"{self.url} refuses a put: {_first_line(error)}") from error
            raise

    def _make_private_folders(self, key: str) -> None:
        if isinstance(self._backend, LocalStore) and self._backend.prefix is not None:
            folder = Path(self._backend.prefix)
            for part in key.split("/")[:-1]:
                folder = folder / part
                folder.mkdir(mode=0o700, exist_ok=True)

    def _delete_partial(self, key: str) -> None:
        """On a local disk: remove what a put that was killed has written, beside its key and in no listing."""
        if isinstance(self._backend, LocalStore) and self._backend.prefix is not None:
            path = Path(self._backend.prefix) / key
            for partial in path.parent.glob(f"{escape(path.name)}#*"):
                partial.unlink(missing_ok=True)

    def _make_durable(self, key: str) -> None:
        """On a local disk: remove others' permissions and sync, so that the bytes survive a power cut."""
        if isinstance(self._backend, LocalStore) and self._backend.prefix is not None:
            path = Path(self._backend.prefix) / key
            path.chmod(0o600)
            for target in (path, path.parent):
                descriptor = os.open(target, os.O_RDONLY)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)


class _NotingStore(ArtifactStore):
    def __init__(self, backend: ObjectStore, url: str, folder: str) -> None:
        super().__init__(backend, url)
        self._folder = folder

    def put(self, key: str, data: bytes, *, sha256: str | None = None) -> ArtifactRef:
        super().put(f"{self._folder}/{sha256_hex(key.encode())}", key.encode())
        return super().put(key, data, sha256=sha256)


def open_store(url: str) -> ArtifactStore:
    """The artifact store at `url`: `file:///folder` (created, private to its owner), `memory://`, or `s3://bucket/prefix`.

    A memory store lives as long as the object and is seen by this process only. An S3 store takes its credentials,
    region and endpoint from the usual variables (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`,
    `AWS_ENDPOINT_URL`) or from the machine's role. Nothing connects here. Raises ValueError for a URL that is not
    understood and OSError when the folder cannot be created.
    """
    parts = urlsplit(url)
    if parts.scheme == "memory":
        return ArtifactStore(MemoryStore(), url)
    if parts.scheme != "file":
        try:
            return ArtifactStore(_remote(url), url)
        except BaseError as error:
            raise ValueError(f"{url!r} cannot be used: {str(error).splitlines()[0]}") from error
    if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
        raise ValueError(f"{url!r} must be file:/// followed by an absolute path")
    root = Path(unquote(parts.path))
    if not root.is_dir():
        root.parent.mkdir(parents=True, exist_ok=True)
        root.mkdir(mode=0o700, exist_ok=True)
    return ArtifactStore(LocalStore(prefix=root), url)


def _remote(url: str) -> ObjectStore:
    """A store behind HTTP. Short outages are bridged here, longer ones by callers; a hanging store is not."""
    return from_url(
        url,
        client_options={
            "allow_http": True,  # only an endpoint that the operator named with http:// is asked without TLS
            "connect_timeout": timedelta(seconds=_CONNECT_S),
            "read_timeout": timedelta(seconds=_SILENCE_S),
            "timeout": timedelta(seconds=_REQUEST_S),
        },
        retry_config={
            "max_retries": _RETRIES,
            "retry_timeout": timedelta(seconds=_RETRY_FOR_S),
            "backoff": {"init_backoff": timedelta(seconds=0.1), "max_backoff": timedelta(seconds=_LONGEST_BACKOFF_S)},
        },
    )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:500]


def _key_of(artifact: ArtifactRef | str) -> str:
    return artifact if isinstance(artifact, str) else artifact.key


def _require_key(key: str) -> None:
    if any(part in ("", ".", "..") for part in key.split("/")):
        raise ValueError(f"{key!r} is not a key: parts between slashes must not be empty, '.' or '..'")


def digest_of_file(path: Path) -> str:
    """The SHA-256 of a file in lower-case hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
