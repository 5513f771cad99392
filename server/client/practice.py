"""Downloads of practice bundles: resumed after a cut, verified by digest, and kept in a folder for when there is no
server.
"""

import errno
import fcntl
import hashlib
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import BufferedRandom, BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ValidationError

from lethe.server.client.api import Client
from lethe.server.client.errors import ApiError
from lethe.server.competitions.schemas import CompetitionFacts, PracticeView, PublicCounts

if TYPE_CHECKING:
    from lethe.evaluator.artifacts.practice_bundle import PracticeBundle

TRIES = 5
"""How often in a row a download may stop without having brought anything."""
PAUSE_S = 1.0
BUNDLES = "bundles"
FILE, PARTIAL = "bundle.safetensors", "bundle.part"

ReportBytes = Callable[[int, int], None]


class _Known(BaseModel):
    """The bundle of one competition that was seen last, and how many hidden images its page told of then."""

    server: str
    slug: str
    sha256: str
    seen_at: datetime
    counts: PublicCounts | None = None


@dataclass(frozen=True)
class CachedBundle:
    """A verified bundle on this machine. `seen_at` is when the server last named it; `is_current`: just now.

    `counts` are the hidden images that the competition's page told of at that time; None where no version kept them.
    """

    path: Path
    sha256: str
    seen_at: datetime
    is_current: bool
    counts: PublicCounts | None = None

    def open(self) -> "PracticeBundle":
        """Return its content; raises BundleInvalid for one of another format."""
        from lethe.evaluator.artifacts.practice_bundle import open_bundle

        return replace(open_bundle(self.path), hidden=self.counts)


class PracticeCache:
    """The bundles in `folder`, one for each competition of each server, each in a folder named by its digest.

    What is unpacked from a bundle lies there, too, and goes with it when a newer one is downloaded.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / BUNDLES

    def find(self, server: str, slug: str) -> CachedBundle | None:
        """Return the competition's bundle that is here, whatever the server has now."""
        known = self._known(server, slug)
        if known is None or not (path := self._folder / known.sha256 / FILE).is_file():
            return None
        return CachedBundle(path, known.sha256, known.seen_at, is_current=False, counts=known.counts)

    def obtain(
        self, client: Client, slug: str, *, agreed: Callable[[int], bool], progress: ReportBytes
    ) -> CachedBundle | None:
        """Return the bundle that the server has now, downloaded unless it is here; None if `agreed` declines its size.

        Without an answer of the server this is the one that is here, which then is not `is_current`. A cut download
        goes on by itself, or at the next call. Raises ApiError.
        """
        try:
            facts = client.competition(slug)
            offered = _offered(client, slug, facts)
        except ApiError as error:
            kept = self.find(client.server, slug)
            if not _is_outage(error):
                raise
            if kept is None:
                message = f"{error}. No practice bundle of {slug} is stored here; without a server use --spec"
                raise ApiError(message, code=error.code, status=error.status) from error
            return kept
        folder = self._folder / offered.sha256
        path = folder / FILE
        with _translating_errors(folder):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with _held(folder / PARTIAL) as partial:
                if not path.is_file() or _sha256(path) != offered.sha256:
                    have = min(partial.seek(0, 2), offered.size_bytes)
                    if not agreed(offered.size_bytes - have):
                        return None
                    _download(client, slug, offered, partial, progress)
                    (folder / PARTIAL).replace(path)
            (folder / PARTIAL).unlink(missing_ok=True)
            return self._remember(client.server, slug, offered.sha256, facts.counts)

    def _remember(self, server: str, slug: str, sha256: str, counts: PublicCounts) -> CachedBundle:
        former = self._known(server, slug)
        known = _Known(server=server, slug=slug, sha256=sha256, seen_at=_now(), counts=counts)
        note = self._note(server, slug)
        new = note.with_suffix(".new")
        new.write_text(known.model_dump_json(), encoding="utf-8")
        new.replace(note)
        if former is not None and former.sha256 != sha256:
            shutil.rmtree(self._folder / former.sha256, ignore_errors=True)
        return CachedBundle(self._folder / sha256 / FILE, sha256, known.seen_at, is_current=True, counts=counts)

    def _known(self, server: str, slug: str) -> _Known | None:
        try:
            return _Known.model_validate_json(self._note(server, slug).read_bytes())
        except (OSError, ValidationError):
            return None

    def _note(self, server: str, slug: str) -> Path:
        return self._folder / f"{hashlib.sha256(f'{server} {slug}'.encode()).hexdigest()[:32]}.json"


def _offered(client: Client, slug: str, facts: CompetitionFacts) -> PracticeView:
    """Return what the server has; where that is nothing, ask for it, for the server's own words about it."""
    offered = facts.practice
    if offered is None:
        client.download_practice(slug, BytesIO())
        raise ApiError(f"{client.server} has no practice bundle of {slug}", code="practice_not_found")
    return offered


def _download(client: Client, slug: str, offered: PracticeView, partial: BufferedRandom, progress: ReportBytes) -> None:
    """Complete `partial`; raises ApiError when that cannot be done, and when the bytes are not what was offered."""
    total, tries, reason = offered.size_bytes, 0, ""
    if partial.seek(0, 2) > total:
        partial.truncate(0)
    while (have := partial.seek(0, 2)) < total:
        if tries == TRIES:
            raise ApiError(
                f"the download of {slug} stopped after {have:,} of {total:,} bytes ({reason}). Run the same command "
                "again: it goes on from there",
                code="download_cut",
            )
        try:
            client.download_practice(slug, partial, sha256=offered.sha256, report=lambda done: progress(done, total))
        except ApiError as error:
            if not _is_outage(error):
                raise
            reason = str(error)
        tries = tries + 1 if partial.seek(0, 2) <= have else 0
        time.sleep(PAUSE_S if tries else 0)
    partial.flush()
    partial.seek(0)
    if hashlib.file_digest(partial, "sha256").hexdigest() != offered.sha256:
        partial.truncate(0)
        raise ApiError(
            f"what {client.server} sent of {slug} is not the practice bundle that it names, so it is deleted. Run the "
            "same command again: it downloads it anew",
            code="wrong_digest",
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_outage(error: ApiError) -> bool:
    return error.code == "unreachable" or error.status in {502, 503, 504}


@contextmanager
def _held(path: Path) -> Iterator[BufferedRandom]:
    """Open a file for this process alone; another one that downloads the same waits here."""
    with path.open("a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file


@contextmanager
def _translating_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            message = f"the disk of {folder} is full: make room, or set LETHE_HOME to a folder on another one"
            raise ApiError(message, code="unwritable_file") from error
        raise ApiError(f"cannot write to {folder}: {error.strerror}", code="unwritable_file") from error


def _now() -> datetime:
    return datetime.now(UTC)
