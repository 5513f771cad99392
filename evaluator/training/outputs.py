"""Computing a model's logits and accuracies on the evaluation bundle; the same code for oracles and for runs."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lethe.evaluator.artifacts.outputs import COPIES, Outputs
from lethe.evaluator.training.small_images import without_padding_work

PARTS = {"forget": "forget", "test": "test", "retain": "retain_sample", "validation": "validation"}  # name -> in bundle


def compute_logits(network: nn.Module, images: Tensor, batch_size: int) -> Tensor:
    """Logits (N, classes) float32 on the CPU; images (N, 3, H, W) uint8, in batches of `batch_size`.

    Leaves the network in the channels-last format, which halves the time of its convolutions.
    """
    network.to(memory_format=torch.channels_last)
    device = next(network.parameters()).device
    logits = []
    with torch.inference_mode(), without_padding_work(network):
        for batch in torch.split(images, batch_size):
            pixels = batch.to(device, torch.float32, memory_format=torch.channels_last)
            logits.append(network(pixels).detach().float().cpu())
    return torch.cat(logits)


def compute_outputs(network: nn.Module, evaluation: Mapping[str, Tensor], batch_size: int) -> Outputs:
    """The outputs of `network` on the evaluation bundle; leaves the network in evaluation mode.

    evaluation: `<part>.images` (N, 3, H, W) uint8 and `<part>.labels` (N,) int64 for forget, test, retain_sample and
    validation; in bundles with changed copies of forget photographs, also `flipped.images` and `jittered.images`. The
    retain accuracy is computed on the retain sample. Logits that are not finite are returned as they are and count as
    wrong; the caller decides whose fault they are.
    """
    network.eval()
    logits: dict[str, NDArray[np.float32]] = {}
    accuracy: dict[str, float] = {}
    for part, stored in PARTS.items():
        values = compute_logits(network, evaluation[f"{stored}.images"], batch_size)
        correct = (values.argmax(dim=1) == evaluation[f"{stored}.labels"]) & values.isfinite().all(dim=1)
        accuracy[part] = correct.double().mean().item()
        if part != "validation":
            logits[part] = values.numpy()
    # Bundles of older competitions have no copies.
    made = [kind for kind in COPIES if f"{kind}.images" in evaluation]
    copies = {kind: compute_logits(network, evaluation[f"{kind}.images"], batch_size).numpy() for kind in made}
    return Outputs(logits=logits, accuracy=accuracy, copies=copies)
