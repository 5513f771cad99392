"""Small inputs of a guest: what `harness.load` reads."""

import json
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_tensors

from lethe.evaluator.guest import harness
from lethe.evaluator.models import build_model

CLASSES = 4


def write_inputs(folder: Path, *, curve_s: float | None = None) -> None:
    """Write the inputs of a guest: 20 retain, 6 forget and 6 validation images of noise; for curves 6 test images."""
    generator = np.random.default_rng(0)
    arrays = {}
    for part, count in (("retain", 20), ("forget", 6), ("validation", 6)):
        arrays[f"{part}.images"] = generator.integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)
        arrays[f"{part}.labels"] = np.arange(count) % CLASSES
        arrays[f"{part}.image_id"] = np.arange(count)
        arrays[f"{part}.person_id"] = np.arange(count) // 2
        arrays[f"{part}.age"] = np.linspace(1, 80, count, dtype=np.float32)
    save_file(arrays, folder / harness.VISIBLE)
    torch.manual_seed(0)
    save_tensors(build_model("resnet-small", CLASSES).state_dict(), folder / harness.ORIGINAL)
    parts = {"retain": "retain", "forget": "forget", "test": "validation"}
    sample = {
        f"{part}.{field}": arrays[f"{of}.{field}"] for part, of in parts.items() for field in ("images", "labels")
    }
    save_file(sample, folder / harness.SAMPLE)
    setting: dict[str, object] = {"curve_s": curve_s}
    setting |= {"architecture": "resnet-small", "classes": CLASSES, "batch_size": 8, "device": "cpu"}
    (folder / harness.SETTING).write_text(json.dumps(setting))
