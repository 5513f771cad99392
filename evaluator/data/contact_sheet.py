"""A picture with samples of the photographs."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from lethe.evaluator.data.photographs import Photographs

MARGIN = 6
CAPTION = 44  # pixels for the age at the left of each row, or more for names
NAME_CHARS = 24
PAPER = (250, 249, 246)
INK = (70, 68, 64)


def contact_sheet(
    photographs: Photographs,
    *,
    class_names: Sequence[str] = (),
    rows: int = 10,
    columns: int = 10,
    scale: int = 3,
) -> bytes:
    """A PNG: one row per person, from young to old and evenly spaced over the ages, one column per photograph.

    Shows up to `rows` people and `columns` photographs of each, enlarged `scale` times with the age in years beside.
    Where the source knows no ages the rows are classes, with the name of the class beside, or its number.
    """
    has_ages = bool(photographs.ages.any())
    row_of = photographs.identities if has_ages else photographs.labels
    captions = photographs.ages if has_ages else photographs.labels
    keys, first = np.unique(row_of, return_index=True)
    ordered = keys[np.argsort(captions[first], kind="stable")]
    chosen = ordered[np.unique(np.linspace(0, len(ordered) - 1, min(rows, len(ordered))).round().astype(int))]
    height, width = (side * scale for side in photographs.images.shape[2:])
    columns = min(columns, int(np.unique(row_of, return_counts=True)[1].max()))
    named = class_names if class_names and not has_ages else None
    font = ImageFont.load_default(size=16)
    texts = [f"{value:.0f}" if named is None else named[int(value)][:NAME_CHARS] for value in captions]
    left = max(CAPTION, *(round(font.getlength(text)) + 16 for text in set(texts)))
    size = (left + columns * (width + MARGIN) + MARGIN, len(chosen) * (height + MARGIN) + MARGIN)
    sheet = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(sheet)
    for row, key in enumerate(chosen):
        top = MARGIN + row * (height + MARGIN)
        mine = np.flatnonzero(row_of == key)[:columns]
        draw.text((left - 8, top + height / 2), texts[mine[0]], INK, font, anchor="rm")
        for column, photograph in enumerate(mine):
            tile = Image.fromarray(photographs.images[photograph].transpose(1, 2, 0))
            enlarged = tile.resize((width, height), Image.Resampling.BICUBIC)
            sheet.paste(enlarged, (left + column * (width + MARGIN), top))
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
