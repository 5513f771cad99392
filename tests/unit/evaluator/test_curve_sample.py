"""The trusted side measures the two ends of a curve as a guest measures what lies between them."""

from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file
from safetensors.torch import load_file

from lethe.evaluator.contract.curves import CURVE_IMAGES
from lethe.evaluator.curve_sample import sample_accuracies, write_sample
from lethe.evaluator.guest.curve import make_probe
from lethe.evaluator.models import build_model
from lethe.evaluator.training.outputs import compute_outputs


def test_both_sides_measure_the_same(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    arrays = {}
    for part, count in (("retain_sample", 50), ("forget", 9), ("test", 40), ("validation", 3)):
        arrays[f"{part}.images"] = generator.integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)
        arrays[f"{part}.labels"] = generator.integers(0, 3, count)
        arrays[f"{part}.person_id"] = np.arange(count)
    evaluation, sample = tmp_path / "evaluation", tmp_path / "sample"
    save_file(arrays, evaluation)
    write_sample(evaluation, sample)
    found = load_file(sample)
    assert {name: len(values) for name, values in found.items()} == {
        f"{part}.{field}": count
        for part, count in (("retain", CURVE_IMAGES), ("forget", 9), ("test", CURVE_IMAGES))
        for field in ("images", "labels")
    }
    torch.manual_seed(3)
    net = build_model("resnet-small", 3).eval()
    probe = make_probe(build_model("resnet-small", 3), found, 1.0, is_on_cpu=True)
    claimed = probe.accuracies(dict(net.state_dict()))
    trusted = sample_accuracies(compute_outputs(net, load_file(evaluation), 8), evaluation)
    assert dict(zip(("retain", "forget", "test"), claimed, strict=True)) == trusted
    assert len(set(claimed)) > 1
