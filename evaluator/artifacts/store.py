"""The write-once artifact store: bytes under a key, verified by digest, on any back end that obstore knows."""

import hashlib
import os
from pathlib import Path
from tempfile import NamedTemporaryFile
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError
from obstore.store import LocalStore, MemoryStore, ObjectStore, from_url

from evaluator.contract.dossier import ArtifactRef


class ArtifactError(Exception):
    """Root of the store's own errors; what the back end raises (OSError and obstore's BaseError) passes through."""


class ArtifactMissing(ArtifactError):
    """Nothing is stored under the key."""


class ArtifactConflict(ArtifactError):
    """Other bytes are already stored under the key; artifacts never change."""


class ArtifactCorrupt(ArtifactError):
    """The stored bytes are not the ones that the reference names."""


def sha256_hex(data: bytes) -> str:
    """The SHA-256 of `data` in lower-case hexadecimal."""
    return hashlib.sha256(data).hexdigest()


class ArtifactStore:
    """Write-once bytes under keys such as `banks/3f…/outputs/0007.safetensors`.

    Safe for any number of processes and machines at once: a reader sees a whole artifact or none. Keys are relative,
    with `/` between parts; a key that climbs (`..`) raises ValueError.
    """

    def __init__(self, backend: ObjectStore, url: str) -> None:
        self._backend = backend
        self.url = url

    def put(self, key: str, data: bytes) -> ArtifactRef:
        """The reference to `data`, now stored under `key`.

        Storing the same bytes again changes nothing; raises ArtifactConflict when other bytes are there.
        """
        ref = ArtifactRef(key=key, sha256=sha256_hex(data))
        self._make_private_folders(key)
        try:
            # One request, not multipart: only a single put can be refused atomically when the key exists.
            obstore.put(self._backend, key, data, mode="create", use_multipart=False)
        except AlreadyExistsError:
            if sha256_hex(self.get(key)) != ref.sha256:
                raise ArtifactConflict(f"{key} is already stored with other content") from None
        self._settle(key)
        return ref

    def put_named_by_digest(self, stem: str, data: bytes, suffix: str) -> ArtifactRef:
        """The reference to `data` under a key that contains its digest, so that different bytes never meet."""
        return self.put(f"{stem}-{sha256_hex(data)[:16]}{suffix}", data)

    def get(self, artifact: ArtifactRef | str) -> bytes:
        """The stored bytes, checked against the digest when a reference is given.

        Raises ArtifactMissing, or ArtifactCorrupt when the digest differs.
        """
        key = artifact if isinstance(artifact, str) else artifact.key
        try:
            data = obstore.get(self._backend, key).bytes().to_bytes()
        except FileNotFoundError:
            raise ArtifactMissing(f"{key} is not in the artifact store {self.url}") from None
        if isinstance(artifact, ArtifactRef) and sha256_hex(data) != artifact.sha256:
            raise ArtifactCorrupt(f"{key} in {self.url} does not have the SHA-256 {artifact.sha256}")
        return data

    def exists(self, artifact: ArtifactRef | str) -> bool:
        """Whether something is stored under the key; its bytes are not read."""
        try:
            obstore.head(self._backend, artifact if isinstance(artifact, str) else artifact.key)
        except FileNotFoundError:
            return False
        return True

    def list(self, prefix: str) -> list[str]:
        """The keys below the folder `prefix`, sorted; empty when there are none."""
        folder = prefix.rstrip("/")
        return sorted(meta["path"] for batch in obstore.list(self._backend, folder) for meta in batch)

    def local_path(self, ref: ArtifactRef, cache_dir: Path, *, mode: int = 0o600) -> Path:
        """A verified local file with the artifact's bytes and permission bits `mode`, fetched once into `cache_dir`.

        The file is named by its digest and never changes, so it may be memory-mapped and bound into a sandbox. A copy
        that no longer has the right bytes is fetched again. Raises as `get` does.
        """
        cache_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = cache_dir / (ref.sha256 + Path(ref.key).suffix)
        if not (path.is_file() and _digest_of_file(path) == ref.sha256):
            data = self.get(ref)
            with NamedTemporaryFile(dir=cache_dir, prefix=".fetch-", delete=False) as partial:
                partial.write(data)
            Path(partial.name).replace(path)
        path.chmod(mode)
        return path

    def _make_private_folders(self, key: str) -> None:
        if any(part in ("", ".", "..") for part in key.split("/")):
            raise ValueError(f"{key!r} is not a key: parts between slashes must not be empty, '.' or '..'")
        if isinstance(self._backend, LocalStore) and self._backend.prefix is not None:
            folder = Path(self._backend.prefix)
            for part in key.split("/")[:-1]:
                folder = folder / part
                folder.mkdir(mode=0o700, exist_ok=True)

    def _settle(self, key: str) -> None:
        """On a local disk: take away others' permissions and wait until the bytes would survive a power cut."""
        if isinstance(self._backend, LocalStore) and self._backend.prefix is not None:
            path = Path(self._backend.prefix) / key
            path.chmod(0o600)
            for target in (path, path.parent):
                descriptor = os.open(target, os.O_RDONLY)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)


def open_store(url: str) -> ArtifactStore:
    """The artifact store at `url`: `file:///folder` (created, private to its owner), `memory://`, or `s3://bucket/prefix`.

    A memory store lives as long as the object and is seen by this process only. Raises ValueError for a URL that is not
    understood and OSError when the folder cannot be created.
    """
    parts = urlsplit(url)
    if parts.scheme == "memory":
        return ArtifactStore(MemoryStore(), url)
    if parts.scheme != "file":
        return ArtifactStore(from_url(url), url)
    if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
        raise ValueError(f"{url!r} must be file:/// followed by an absolute path")
    root = Path(unquote(parts.path))
    if not root.is_dir():
        root.parent.mkdir(parents=True, exist_ok=True)
        root.mkdir(mode=0o700, exist_ok=True)
    return ArtifactStore(LocalStore(prefix=root), url)


def _digest_of_file(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
