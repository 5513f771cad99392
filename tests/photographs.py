"""Small trees of real pictures as hosts have them: an image folder, a messy one, and CASIA-SURF as it was published."""

import struct
import unicodedata
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from lethe.evaluator.contract.data_sources import SyntheticFacesSpec
from lethe.evaluator.data.photographs import Photographs
from lethe.evaluator.data.sources.synthetic_faces import synthetic_faces


def faces(people: int, each: int, *, classes: int = 3, size: int = 24) -> Photographs:
    """Painted faces to save as files; the same ones every time."""
    data = SyntheticFacesSpec(identities=people, images_per_identity=each, image_size=size, classes=classes)
    return synthetic_faces(data, people, np.random.SeedSequence(4))


def make_image_folder(root: Path, people: int = 12, each: int = 3, classes: int = 3) -> Photographs:
    """`labels.csv` and one JPEG per photograph in a folder per person; what was saved, in the table's order."""
    made = faces(people, each, classes=classes)
    lines = ["image,identity,label"]
    for row in range(len(made)):
        person = int(made.identities[row])
        name = f"person-{person:02d}/{row:03d}.jpg"
        save(root / "images" / name, made.images[row])
        lines.append(f"{name},person-{person:02d},{made.labels[row]}")
    (root / "labels.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return made


def make_casia_surf(root: Path, people: int = 24, each: int = 3, classes: int = 3) -> Photographs:
    """`Age_Gender.txt` and the colour photographs below WBackground/, depth and infrared beside them as published."""
    made = faces(people, each, classes=classes)
    lines = []
    for person in range(people):
        name = f"CLKJ_AS{person:04d}"
        mine = np.flatnonzero(made.identities == person)
        lines.append(f"{name} {round(float(made.ages[mine[0]]))} {'male' if person % 2 else 'female'}")
        for place, row in enumerate(mine):
            folder = root / "WBackground" / "Training" / name / "real.rssdk"
            save(folder / "color" / f"{place:04d}.jpg", made.images[row])
            save(folder / "depth" / f"{place:04d}.jpg", made.images[row])
    lines.append("CLKJ_AS9999 33 male")  # the published list knows people without photographs here
    (root / "Age_Gender.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return made


def save(path: Path, pixels: np.ndarray) -> None:
    """One picture (3, H, W) uint8 as a JPEG of high quality."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.transpose(1, 2, 0)).save(path, quality=95, subsampling=0)


def make_messy_folder(root: Path) -> None:
    """A folder as hosts have them: kinds of pictures that are read, files that cannot be, and a table with mistakes.

    The table is a German spreadsheet's: Latin-1, semicolons, CRLF, headings in capitals, more columns, empty ones at
    the end. Lines with the note `mistake` are wrong.
    """
    made = make_image_folder(root, people=40, each=3)
    images = root / "images"
    rows = [line.split(",") for line in (root / "labels.csv").read_text(encoding="utf-8").splitlines()[1:]]
    _odd_kinds(images, made.images)
    for row, name in enumerate(("turned.jpg", "damaged-exif.jpg", "cmyk.jpg", "palette.png", "moving.gif", "scan.tif")):
        rows[row][0] = name
    _unusable(images, made.images[0])
    rows += [[name, "person-05", rows[15][2]] for name in ("deep.png", "cut.jpg", "phone.png", "phone.heic")]
    rows += [[f"lost-{number:02d}.jpg", "person-05", rows[15][2]] for number in range(12)]
    save(images / "IMG_1001.JPG", made.images[17])
    rows.append(["img_1001.jpg", "person-05", rows[15][2]])
    save(images / unicodedata.normalize("NFD", "zoë.jpg"), made.images[18][:, :, ::-1])
    rows.append(["zoë.jpg", "Zoë", rows[18][2]])  # one photograph of this person
    Image.open(images / rows[60][0]).save(images / "again.jpg", quality=60)
    rows.append(["again.jpg", rows[99][1], rows[99][2]])
    Image.fromarray(made.images[30].transpose(1, 2, 0)).resize((72, 24)).save(images / "wide.jpg")
    Image.fromarray(made.images[31].transpose(1, 2, 0)).resize((12, 12)).save(images / "small.jpg")
    rows += [[name, rows[30][1], rows[30][2]] for name in ("wide.jpg", "small.jpg")]
    mistakes = [["turned.jpg", "person-00", "0"], ["a.jpg", "PERSON-07", "0"], ["b.jpg", "x", "7"], ["c.jpg", "", "0"]]
    lines = ["Identity;IMAGE;Label;Note;;", *(f"{row[1]};{row[0]};{row[2]};;;" for row in rows)]
    lines += [f"{row[1]};{row[0]};{row[2]};mistake;;" for row in mistakes]
    (root / "labels.csv").write_bytes("\r\n".join([*lines, ";;;;;", ""]).encode("latin-1"))


def _odd_kinds(images: Path, pixels: np.ndarray) -> None:
    turned, damaged, cmyk, palette, moving, scan = (Image.fromarray(one.transpose(1, 2, 0)) for one in pixels[:6])
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.transpose(Image.Transpose.ROTATE_90).save(images / "turned.jpg", exif=exif, quality=95)
    damaged.save(images / "damaged-exif.jpg", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01")
    cmyk.convert("CMYK").save(images / "cmyk.jpg")
    palette.convert("P").save(images / "palette.png", transparency=bytes([255] * 255 + [0]))
    moving.save(images / "moving.gif", save_all=True, append_images=[moving.rotate(90)])
    scan.save(images / "scan.tif", compression="tiff_lzw")


def _unusable(images: Path, pixels: np.ndarray) -> None:
    Image.fromarray(pixels[0].astype(np.uint16) * 256).save(images / "deep.png")
    save(images / "cut.jpg", pixels)
    (images / "cut.jpg").write_bytes((images / "cut.jpg").read_bytes()[:-200])
    header = struct.pack(">II5B", 12_000, 9_000, 8, 2, 0, 0, 0)  # only claims 108 megapixels
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0")), (b"IEND", b"")]
    packed = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    ]
    (images / "phone.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(packed))
    (images / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
