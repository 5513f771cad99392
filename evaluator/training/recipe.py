"""Training one model from scratch, exactly as the competition's recipe says."""

import math

import torch
from torch import Tensor, nn

from evaluator.contract.specification import TrainingSpec
from evaluator.data.loaders import class_weights
from evaluator.models import build_model


class TrainingDiverged(RuntimeError):
    """The loss became NaN or infinite."""


def train(
    images: Tensor, labels: Tensor, *, architecture: str, classes: int, recipe: TrainingSpec, seed: int
) -> nn.Module:
    """A trained network on the CPU, in evaluation mode.

    images: (N, 3, H, W) uint8, held in memory and converted to float32 batch by batch (0.0 to 255.0); labels: (N,)
    int64. Everything random comes from `seed`: on one CPU type with one torch version and thread count, the same
    arguments give the same weights bit for bit. Torch's global generator is set. A last batch of one image is left out,
    because batch norm over 1×1 features needs two. Raises ValueError when N is below 2 and TrainingDiverged when the
    loss is not finite at the end of an epoch.
    """
    if len(labels) < 2:
        raise ValueError(f"{len(labels)} images are too few to train on")
    torch.manual_seed(seed)
    network = build_model(architecture, classes).to(memory_format=torch.channels_last)
    optimizer = _optimizer(network, recipe)
    criterion = nn.CrossEntropyLoss(weight=class_weights(labels, classes) if recipe.class_weights else None)
    network.train()
    for epoch in range(recipe.epochs):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(recipe, epoch)
        for rows in torch.split(torch.randperm(len(labels)), recipe.batch_size):
            if len(rows) == 1:
                continue
            batch = images[rows].to(torch.float32).contiguous(memory_format=torch.channels_last)
            loss = criterion(network(batch), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if not math.isfinite(loss.item()):
            raise TrainingDiverged(f"the loss is {loss.item()} after epoch {epoch + 1}; lower training.learning_rate")
    finished: nn.Module = network.to(memory_format=torch.contiguous_format).eval()
    return finished


def learning_rate(recipe: TrainingSpec, epoch: int) -> float:
    """The learning rate of an epoch, counted from 0: constant, or a half cosine from the full rate towards zero
    (Loshchilov and Hutter 2017, equation 5, without restarts, stepped per epoch as torch's CosineAnnealingLR is).
    """
    if recipe.schedule == "constant":
        return recipe.learning_rate
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * epoch / recipe.epochs))


def _optimizer(network: nn.Module, recipe: TrainingSpec) -> torch.optim.Optimizer:
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(
            network.parameters(),
            lr=recipe.learning_rate,
            momentum=recipe.momentum,
            weight_decay=recipe.weight_decay,
            fused=True,
        )
    return torch.optim.Adam(network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True)
