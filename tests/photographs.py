"""Small trees of real JPEGs in the layouts that hosts have: an image folder, and CASIA-SURF as it was published."""

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
