"""The archive of a competition as one ZIP file, for a host's browser, written by a process that ends with it."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import IO
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

from lethe.server.audit_log.events import record
from lethe.server.competitions.service import get_competition
from lethe.server.context import Context, create_context
from lethe.server.http.rate_limit import TooManyRequests
from lethe.server.settings import Settings

BUSY_S = 60


class ArchiveFiles:
    """Writes one archive at a time: of a large competition it takes minutes, and its size twice as temporary space."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._lock = Lock()

    def write(self, slug: str, *, outputs: bool, actor: str) -> IO[bytes]:
        """Return the open ZIP file, which has no name any more: its space is free again once it is closed.

        It has margins and plots, and with `outputs` all logits, unless the photographs are deleted. Raises
        TooManyRequests while another archive is written, and what `export` raises.
        """
        if not self._lock.acquire(blocking=False):
            raise TooManyRequests("Another archive is being written: one at a time.", BUSY_S)
        try:
            return self._write(slug, outputs=outputs, actor=actor)
        finally:
            self._lock.release()

    def _write(self, slug: str, *, outputs: bool, actor: str) -> IO[bytes]:
        settings = self._context.settings
        with TemporaryDirectory(prefix="lethe-archive-") as scratch:
            with ProcessPoolExecutor(1, get_context("spawn")) as process:  # drawing needs much that this one does not
                process.submit(_write_zip, settings, slug, Path(scratch), outputs).result()
            file = (Path(scratch) / f"{slug}.zip").open("rb")
        with self._context.database.write() as session:
            competition = get_competition(session, slug, drafts=True)
            record(session, "competition.export", slug, actor=actor, competition=competition, outputs=outputs)
        return file


def _write_zip(settings: Settings, slug: str, scratch: Path, outputs: bool) -> None:
    from lethe.server.hosting.archive import export

    context = create_context(settings)
    with context.database.read() as session:
        has_outputs = get_competition(session, slug, drafts=True).photographs_deleted_at is None
    export(context, slug, scratch / slug, margins=has_outputs, logits=has_outputs and outputs)
    with ZipFile(scratch / f"{slug}.zip", "w") as archive:
        for path in sorted(one for one in (scratch / slug).rglob("*") if one.is_file()):
            packing = ZIP_STORED if path.suffix == ".npz" else ZIP_DEFLATED  # logits hardly shrink
            archive.write(path, path.relative_to(scratch), compress_type=packing)
    context.dispose()
