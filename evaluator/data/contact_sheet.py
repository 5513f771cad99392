"""A picture with samples of the photographs."""

import io

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from lethe.evaluator.data.photographs import Photographs

MARGIN = 6
CAPTION = 44  # pixels for the age or class at the left of each row
PAPER = (250, 249, 246)
INK = (70, 68, 64)


def contact_sheet(
    photographs: Photographs,
    *,
    rows: int = 10,
    columns: int = 10,
    scale: int = 3,
) -> bytes:
    """A PNG: one row per person, from young to old and evenly spaced over the ages, one column per photograph.

    Shows up to `rows` people and `columns` photographs of each, enlarged `scale` times with the age in years beside.
    Where the source knows no ages the rows are classes, with the number beside: names can be edited, pictures cannot.
    """
    has_ages = bool(photographs.ages.any())
    row_of = photographs.identities if has_ages else photographs.labels
    captions = photographs.ages if has_ages else photographs.labels
    keys, first = np.unique(row_of, return_index=True)
    ordered = keys[np.argsort(captions[first], kind="stable")]
    chosen = ordered[np.unique(np.linspace(0, len(ordered) - 1, min(rows, len(ordered))).round().astype(int))]
    height, width = (side * scale for side in photographs.images.shape[2:])
    columns = min(columns, int(np.unique(row_of, return_counts=True)[1].max()))
    font = ImageFont.load_default(size=16)
    size = (CAPTION + columns * (width + MARGIN) + MARGIN, len(chosen) * (height + MARGIN) + MARGIN)
    sheet = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(sheet)
    for row, key in enumerate(chosen):
        top = MARGIN + row * (height + MARGIN)
        mine = np.flatnonzero(row_of == key)[:columns]
        draw.text((CAPTION - 8, top + height / 2), f"{captions[mine[0]]:.0f}", INK, font, anchor="rm")
        for column, photograph in enumerate(mine):
            tile = Image.fromarray(photographs.images[photograph].transpose(1, 2, 0))
            enlarged = tile.resize((width, height), Image.Resampling.BICUBIC)
            sheet.paste(enlarged, (CAPTION + column * (width + MARGIN), top))
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
