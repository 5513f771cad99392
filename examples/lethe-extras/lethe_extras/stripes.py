"""A source: people with shirts of their own stripes; the class is the direction of the stripes."""

from pathlib import Path
from typing import Any

import numpy as np

CLASSES = 2


def read(folder: Path | None, *, people: int = 40, images_per_person: int = 6, seed: int = 0) -> dict[str, Any]:  # noqa: ARG001 - reads no files
    """Return images (N, 32, 32, 3) uint8, labels (N,) and identities (N,); the same ones every time.

    `folder` is that of `--data`, or None; the other arguments are `data.options`.
    """
    generator = np.random.default_rng(seed)
    places = np.arange(32)
    images, labels, identities = [], [], []
    for person in range(people):
        colour, width = generator.integers(60, 250, size=3), generator.integers(2, 8)
        for _ in range(images_per_person):
            bright = 0.4 + 0.6 * ((places + generator.integers(16)) // width % 2)
            stripes = np.broadcast_to(bright if person % CLASSES else bright[:, None], (32, 32))
            noise = generator.normal(0, 20, size=(32, 32, 3))
            images.append(np.clip(stripes[:, :, None] * colour + noise, 0, 255).astype(np.uint8))
            labels.append(person % CLASSES)
            identities.append(f"person {person}")
    return {"images": np.stack(images), "labels": np.array(labels), "identities": np.array(identities)}
