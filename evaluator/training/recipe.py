"""Training one model from scratch, exactly as the competition's recipe says."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from lethe.evaluator.contract.specification import TrainingSpec
from lethe.evaluator.data.loaders import class_weights
from lethe.evaluator.errors import EvaluatorError
from lethe.evaluator.models import build_model
from lethe.evaluator.training.augmentation import augment
from lethe.evaluator.training.small_images import without_padding_work


class TrainingDiverged(EvaluatorError):
    """The loss became NaN or infinite."""


class NoDevice(EvaluatorError):
    """The recipe needs a GPU and this machine has none."""


def training_device(recipe: TrainingSpec, share: int = 0) -> torch.device:
    """The device to train on: GPU number `share` modulo their count, or the processor when there is no GPU.

    Raises NoDevice when the recipe's precision needs a GPU and there is none, so that all models of a bank are trained
    in one precision.
    """
    if torch.cuda.is_available():
        return torch.device("cuda", share % torch.cuda.device_count())
    if recipe.precision != "float32":
        raise NoDevice(
            f"training.precision = '{recipe.precision}' needs a GPU and this machine has none: train on one that has, "
            "or create the competition with 'float32'"
        )
    return torch.device("cpu")


def train(
    images: Tensor,
    labels: Tensor,
    *,
    architecture: str,
    classes: int,
    recipe: TrainingSpec,
    seed: int,
    device: torch.device | None = None,
    weighed: Tensor | None = None,
) -> nn.Module:
    """A trained network on the CPU, in evaluation mode, trained on `device` (default: CPU).

    images: (N, 3, H, W) uint8, kept in memory and converted to float32 batch by batch (0.0 to 255.0); labels: (N,)
    int64; weighed: (M,) int64, whose shares weigh the classes where the recipe says so (default: `labels`). Everything
    random comes from `seed`: on one CPU type with one torch version and thread count, the same arguments give the same
    weights bit for bit; on a GPU they give the same start, batches and augmentation. Torch's global generator is set.
    A last batch of one image is skipped, because batch norm over 1×1 features needs two.
    Raises ValueError when N is below 2 and TrainingDiverged when the loss is not finite at the end of an epoch.
    """
    if len(labels) < 2:
        raise ValueError(f"{len(labels)} images are too few to train on")
    device = device or torch.device("cpu")
    _set_tf32(recipe.precision == "tf32")
    torch.manual_seed(seed)
    weights = class_weights(labels if weighed is None else weighed, classes)
    return _fit(build_model(architecture, classes), images, labels, weights, recipe=recipe, device=device)


def fine_tune(
    network: nn.Module, images: Tensor, labels: Tensor, *, classes: int, recipe: TrainingSpec, seed: int
) -> nn.Module:
    """The same network after more training by `recipe`, on the CPU; in evaluation mode. Takes and raises as `train`."""
    if len(labels) < 2:
        raise ValueError(f"{len(labels)} images are too few to train on")
    torch.manual_seed(seed)
    weights = class_weights(labels, classes)
    return _fit(network, images, labels, weights, recipe=recipe, device=torch.device("cpu"))


def _fit(
    network: nn.Module, images: Tensor, labels: Tensor, weights: Tensor, *, recipe: TrainingSpec, device: torch.device
) -> nn.Module:
    """Train `network` in place; weights: (C,) of the classes, which count where the recipe says so."""
    network = network.to(device).to(memory_format=torch.channels_last)
    plain = {parameter: _plain(parameter) for parameter in network.parameters()}
    optimizer = _optimizer(list(plain.values()), recipe)
    criterion = nn.CrossEntropyLoss(weight=weights.to(device) if recipe.class_weights else None)
    images, labels = images.to(device), labels.to(device)
    network.train()
    with without_padding_work(network), _subnormals_as_zero():
        for epoch in range(recipe.epochs):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(recipe, epoch)
            for rows in torch.split(torch.randperm(len(labels)), recipe.batch_size):
                if len(rows) == 1:
                    continue
                batch = augment(images[rows], recipe).to(torch.float32).contiguous(memory_format=torch.channels_last)
                with torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bf16"):
                    loss = criterion(network(batch), labels[rows])
                network.zero_grad()
                loss.backward()
                for parameter, tensor in plain.items():
                    tensor.grad = None if parameter.grad is None else _plain(parameter.grad)
                optimizer.step()
                optimizer.zero_grad()
            if not math.isfinite(loss.item()):
                raise TrainingDiverged(
                    f"the loss is {loss.item()} after epoch {epoch + 1}; lower training.learning_rate"
                )
    finished: nn.Module = network.cpu().to(memory_format=torch.contiguous_format).eval()
    return finished


def learning_rate(recipe: TrainingSpec, epoch: int) -> float:
    """The learning rate of an epoch, counted from 0: constant, or a half cosine from the full rate towards zero
    (Loshchilov and Hutter 2017, equation 5, without restarts, stepped per epoch as torch's CosineAnnealingLR is).
    """
    if recipe.schedule == "constant":
        return recipe.learning_rate
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * epoch / recipe.epochs))


def _plain(tensor: Tensor) -> Tensor:
    """The tensor in its memory order: fused optimizers would copy each gradient in the channels-last format."""
    return tensor.detach().permute(0, 2, 3, 1) if tensor.dim() == 4 else tensor.detach()


def _optimizer(parameters: list[Tensor], recipe: TrainingSpec) -> torch.optim.Optimizer:
    rate, decay = recipe.learning_rate, recipe.weight_decay
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(parameters, lr=rate, momentum=recipe.momentum, weight_decay=decay, fused=True)
    kind = torch.optim.AdamW if recipe.optimizer == "adamw" else torch.optim.Adam
    return kind(parameters, lr=rate, weight_decay=decay, fused=True)


@contextmanager
def _subnormals_as_zero() -> Iterator[None]:
    """Let the processor treat numbers below 2⁻¹²⁶ as zero, because it computes slowly with them. In two thousand steps
    of Adam, weight decay makes weights that only meet padding that small: most of ResNet-18's on 32×32 photographs.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def _set_tf32(allowed: bool) -> None:
    """Allow GPUs to round factors to TF32 or forbid it; torch's default allows it for convolutions."""
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed
