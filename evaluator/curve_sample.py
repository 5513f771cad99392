"""The images that curves are measured on: the first few of each part of the practice data, in the guest and here."""

from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from lethe.evaluator.artifacts.outputs import Outputs
from lethe.evaluator.contract.curves import CURVE_IMAGES

_IN_BUNDLE = {"retain": "retain_sample", "forget": "forget", "test": "test"}


def write_sample(evaluation: Path, path: Path) -> None:
    """Write `<part>.images` (n, 3, H, W) uint8 and `<part>.labels` (n,) int64 of retain, forget and test to `path`.

    `evaluation` is the evaluation bundle of practice data: what is written goes to a guest.
    """
    with safe_open(evaluation, framework="numpy") as bundle:
        sample = {
            f"{part}.{field}": bundle.get_tensor(f"{stored}.{field}")[:CURVE_IMAGES]
            for part, stored in _IN_BUNDLE.items()
            for field in ("images", "labels")
        }
    save_file(sample, path)


def sample_accuracies(outputs: Outputs, evaluation: Path) -> dict[str, float]:
    """Return the accuracies of a model on the same images, in [0, 1] by part."""
    accuracies = {}
    with safe_open(evaluation, framework="numpy") as bundle:
        for part, stored in _IN_BUNDLE.items():
            labels = bundle.get_tensor(f"{stored}.labels")[:CURVE_IMAGES]
            found = outputs.logits[part][:CURVE_IMAGES].argmax(axis=1)
            accuracies[part] = float(np.mean(found == labels))
    return accuracies
