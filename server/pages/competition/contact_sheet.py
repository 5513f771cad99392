"""The contact sheet as browsers get it: small, and with its size, so that nothing moves when it comes."""

import io
from dataclasses import dataclass, field
from threading import Lock

from cachetools import LRUCache
from PIL import Image, UnidentifiedImageError

from lethe.evaluator.artifacts import ArtifactMissing
from lethe.evaluator.contract.prepared_competition import ArtifactRef
from lethe.server.context import Context
from lethe.server.models import Competition

MOST_BYTES = 100_000
QUALITIES = (80, 65, 50, 35, 20)
SHEETS_KEPT = 32


@dataclass(frozen=True)
class Sheet:
    """A WebP of at most 100 KB; `width` and `height` in pixels."""

    webp: bytes = field(repr=False)  # pages depend on its address alone
    width: int
    height: int


def sheet_path(competition: Competition) -> str:
    """Return the address of the competition's sheet on this site, or nothing once its photographs are deleted."""
    return "" if competition.photographs_deleted_at else f"/competitions/{competition.slug}/contact-sheet.webp"


class Sheets:
    """Converts each stored contact sheet once in a process."""

    def __init__(self, context: Context) -> None:
        self._artifacts = context.artifacts
        self._made: LRUCache[str, Sheet] = LRUCache(SHEETS_KEPT)
        self._lock = Lock()

    def get(self, stored: ArtifactRef) -> Sheet:
        """Return the sheet; raises ArtifactMissing without a picture in the store, and what else the store raises."""
        with self._lock:  # a conversion takes a tenth of a second, and two of the same one make none faster
            if stored.sha256 not in self._made:
                try:
                    self._made[stored.sha256] = to_webp(self._artifacts.get(stored))
                except UnidentifiedImageError as error:
                    raise ArtifactMissing(stored.key) from error
            return self._made[stored.sha256]


def to_webp(picture: bytes) -> Sheet:
    """Return the picture, in the best quality, and then at the greatest size, that MOST_BYTES allow."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    while True:
        for quality in QUALITIES:
            buffer = io.BytesIO()
            image.save(buffer, "WEBP", quality=quality, method=4)
            if buffer.tell() <= MOST_BYTES:
                return Sheet(buffer.getvalue(), *image.size)
        image = image.reduce(2)
