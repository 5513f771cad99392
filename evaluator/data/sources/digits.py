"""The `digits` source: scikit-learn's real handwritten digits, which need no download."""

import numpy as np

from lethe.evaluator.contract.data_sources import DigitsSpec
from lethe.evaluator.data.photographs import Photographs, without_persons
from lethe.evaluator.data.sources.files import Files, scale_all

GREYS = 16  # the brightest value in the data set


def read_digits(data: DigitsSpec, files: Files) -> Photographs:
    """All 1,797 digits, 8×8 grey values scaled to three equal channels of `data.image_size`."""
    from sklearn.datasets import load_digits

    loaded = load_digits()
    files.report(0, len(loaded.target))
    grey = np.round(loaded.images * (255 / GREYS)).astype(np.uint8)
    images = scale_all(np.repeat(grey[:, None], 3, axis=1), data.image_size)
    files.report(len(loaded.target), len(loaded.target))
    return without_persons(images, loaded.target.astype(np.int64), data.classes)
