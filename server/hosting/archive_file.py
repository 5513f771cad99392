"""The archive of a competition as one ZIP file, for a host's browser, written by a process that ends with it."""

import shutil
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from threading import Lock
from typing import IO
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

from lethe.evaluator.contract.parts import part_pools
from lethe.evaluator.contract.states import Evaluation
from lethe.server.audit_log.events import record
from lethe.server.competitions.service import get_competition, prepared_once, specification
from lethe.server.context import Context, create_context
from lethe.server.errors import Conflict
from lethe.server.hosting import queries
from lethe.server.hosting.cost import size_text
from lethe.server.http.rate_limit import TooManyRequests
from lethe.server.settings import Settings

BUSY_S = 60
SMALL_BYTES = 2**20
"""More than source, plots and lines of tables of a submission take."""


class ArchiveFiles:
    """Writes one archive at a time: of a large competition it takes minutes, and its size twice as temporary space."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._lock = Lock()

    def write(self, slug: str, *, outputs: bool, actor: str) -> IO[bytes]:
        """Return the open ZIP file, which has no name any more: its space is free again once it is closed.

        It has margins and plots, and with `outputs` all logits, unless the photographs are deleted. Raises
        TooManyRequests while another archive is written, Conflict where the temporary folder has too little room, and
        what `export` raises.
        """
        if not self._lock.acquire(blocking=False):
            raise TooManyRequests("Another archive is being written: one at a time.", BUSY_S)
        try:
            return self._write(slug, outputs=outputs, actor=actor)
        finally:
            self._lock.release()

    def _write(self, slug: str, *, outputs: bool, actor: str) -> IO[bytes]:
        settings = self._context.settings
        require_room(Path(gettempdir()), needed_bytes(self._context, slug, outputs=outputs))
        with TemporaryDirectory(prefix="lethe-archive-") as scratch:
            with ProcessPoolExecutor(1, get_context("spawn")) as process:  # drawing needs much that this one does not
                process.submit(_write_zip, settings, slug, Path(scratch), outputs).result()
            file = (Path(scratch) / f"{slug}.zip").open("rb")
        with self._context.database.write() as session:
            competition = get_competition(session, slug, drafts=True)
            record(session, "competition.export", slug, actor=actor, competition=competition, outputs=outputs)
        return file


def needed_bytes(context: Context, slug: str, *, outputs: bool) -> int:
    """Return about how much temporary space the archive takes: its files, and the ZIP file of them."""
    with context.database.read() as session:
        competition = get_competition(session, slug, drafts=True)
        scored = queries.count_scored(session, competition)
        if competition.photographs_deleted_at is not None:
            return 2 * SMALL_BYTES * sum(scored.values())
        spec, prepared = specification(competition), prepared_once(competition)
    total = 0
    for evaluation, count in scored.items():
        total += count * SMALL_BYTES
        for found in part_pools(spec, prepared, Evaluation(evaluation)):
            counts = found.against.split.counts
            runs, oracles = spec.evaluation.runs, len(found.against.oracles) + len(found.against.others)
            total += count * (runs + oracles) * counts.forget * 8  # margins are float64
            if outputs:
                images = counts.forget + counts.test + counts.retain_sample
                total += (count * runs + oracles) * images * counts.classes * 4  # logits are float32
    return 2 * total


def require_room(folder: Path, needed: int) -> None:
    """Raise Conflict unless the temporary folder has `needed` free bytes."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise Conflict(
            f"The archive needs about {size_text(needed)} of temporary space, and the server has {size_text(free)}. "
            "Ask the operator to make room there, to set TMPDIR of lethe serve to a larger folder, or to write the "
            "archive with lethe admin competition export."
        )


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
