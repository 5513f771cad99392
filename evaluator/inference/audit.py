"""What the weights of a network tell that its outputs do not. Trusted code on hostile weights, in the child.

found, missing = audit_network(network, order)
found[AuditQuantity.RELEARNED_FORGET_ACCURACY]
"""

import copy
import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from lethe.evaluator.contract.audits import AuditPlan, AuditQuantity
from lethe.evaluator.inference.audit_order import AuditOrder
from lethe.evaluator.metrics import margins
from lethe.evaluator.models import build_model
from lethe.evaluator.training.outputs import compute_logits
from lethe.evaluator.training.recipe import TrainingDiverged, fine_tune
from lethe.evaluator.training.small_images import without_padding_work

Features = NDArray[np.float64]
PATH = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Where on the path between two networks the loss is computed."""


def audit_network(network: nn.Module, order: AuditOrder) -> tuple[dict[AuditQuantity, float], str]:
    """The finite quantities of `network`, which is used up, and why others are missing (empty: none is).

    Forget accuracy in [0, 1] and mean margin, before and after relearning: more training on retain alone, by the plan's
    recipe (Siddiqui et al. 2025, arXiv 2505.22310). Distances and CKA to several oracles are means over them; the
    barrier is that to the oracle of the order's place.
    """
    plan, evaluation = order.plan, load_file(order.evaluation)
    original, *oracles = [_network(path, plan) for path in (order.original, *order.references)]
    oracle = oracles[order.place % len(oracles)]
    forget = _ForgetSet(evaluation, plan.batch_size)
    sample = (evaluation["retain_sample.images"], evaluation["retain_sample.labels"], plan.batch_size)
    features = forget.features(network)
    accuracy, margin = forget.measure(network)
    found = {
        AuditQuantity.FORGET_ACCURACY: accuracy,
        AuditQuantity.FORGET_MARGIN: margin,
        AuditQuantity.DISTANCE_TO_ORIGINAL: distance(network, original, original),
        AuditQuantity.DISTANCE_TO_ORACLES: _mean(distance(network, other, original) for other in oracles),
        AuditQuantity.CKA_WITH_ORIGINAL: linear_cka(features, forget.features(original)),
        AuditQuantity.CKA_WITH_ORACLES: _mean(linear_cka(features, forget.features(other)) for other in oracles),
        AuditQuantity.BARRIER_TO_ORIGINAL: loss_barrier(network, original, *sample),
        AuditQuantity.BARRIER_TO_ORACLE: loss_barrier(network, oracle, *sample),
    }
    reasons = []
    try:
        accuracy, margin = forget.measure(_relearned(network, order))
    except TrainingDiverged as error:
        reasons.append(f"relearning diverged: {error}")
    else:
        found |= {
            AuditQuantity.RELEARNED_FORGET_ACCURACY: accuracy,
            AuditQuantity.RELEARNED_FORGET_MARGIN: margin,
        }
    finite = {quantity: value for quantity, value in found.items() if math.isfinite(value)}
    reasons += [f"{quantity} is not finite" for quantity in found if quantity not in finite]
    return finite, "; ".join(reasons)


def distance(network: nn.Module, other: nn.Module, scale: nn.Module) -> float:
    """L2 norm of the difference of all parameters, over that of the parameters of `scale`. Buffers do not count."""
    apart = _parameters(network) - _parameters(other)
    return float(torch.linalg.vector_norm(apart) / torch.linalg.vector_norm(_parameters(scale)))


def linear_cka(features: Features, others: Features) -> float:
    """Linear centred kernel alignment of (E, D) and (E, D'), in [0, 1]; NaN where the features of a network are
    constant (Kornblith et al. 2019).
    """
    first, second = features - features.mean(axis=0), others - others.mean(axis=0)
    shared = float(np.square(second.T @ first).sum())
    own = float(np.linalg.norm(first.T @ first) * np.linalg.norm(second.T @ second))
    return shared / own if own > 0 else math.nan


def loss_barrier(start: nn.Module, end: nn.Module, images: Tensor, labels: Tensor, batch_size: int) -> float:
    """The most by which the loss on the straight path between two networks exceeds the line between the losses at its
    ends; 0 or more (Entezari et al. 2022). Cross-entropy on images (N, 3, H, W) uint8 with labels (N,).

    Between two networks activations shrink, so at every point, the ends included, the statistics of batch norm are
    those of `images` (Jordan et al. 2023). Raises ValueError when there are fewer than 2 images.
    """
    if len(labels) < 2:
        raise ValueError("batch norm needs 2 images")
    between = copy.deepcopy(start)
    losses = []
    for share in PATH:
        with torch.no_grad():
            for parameter, first, last in zip(between.parameters(), start.parameters(), end.parameters(), strict=True):
                parameter.copy_(torch.lerp(first, last, share))
        _set_batch_norm(between, images, batch_size)
        logits = compute_logits(between.eval(), images, batch_size)
        losses.append(nn.functional.cross_entropy(logits.double(), labels).item())
    line = np.interp(PATH, (PATH[0], PATH[-1]), (losses[0], losses[-1]))
    return float((np.array(losses) - line).max())


def classifier_of(network: nn.Module) -> nn.Module:
    """The last linear layer in the order of the network's parts; without one, the last part that has parameters."""
    modules = list(network.modules())
    linear: list[nn.Module] = [module for module in modules if isinstance(module, nn.Linear)]
    return (linear or [module for module in modules if next(module.parameters(recurse=False), None) is not None])[-1]


class _ForgetSet:
    """The forget images of an evaluation bundle, and what networks make of them."""

    def __init__(self, evaluation: dict[str, Tensor], batch_size: int) -> None:
        self._images, self._labels = evaluation["forget.images"], evaluation["forget.labels"]
        self._batch_size = batch_size

    def measure(self, network: nn.Module) -> tuple[float, float]:
        """Accuracy and mean margin."""
        logits = compute_logits(network.eval(), self._images, self._batch_size)
        accuracy = (logits.argmax(dim=1) == self._labels).double().mean().item()
        return accuracy, float(margins(logits.numpy()[None], self._labels.numpy()).mean())

    def features(self, network: nn.Module) -> Features:
        """The inputs of the classifier, (E, D)."""
        seen: list[Tensor] = []

        def keep(_: nn.Module, given: tuple[Tensor, ...]) -> None:
            seen.append(given[0].flatten(1).double())

        hook = classifier_of(network).register_forward_pre_hook(keep)
        compute_logits(network.eval(), self._images, self._batch_size)
        hook.remove()
        return torch.cat(seen).numpy()


def _network(path: Path, plan: AuditPlan) -> nn.Module:
    network = build_model(plan.architecture, plan.classes)
    network.load_state_dict(load_file(path))
    return network.eval()


def _relearned(network: nn.Module, order: AuditOrder) -> nn.Module:
    """The network after training on retain; the place is the seed."""
    with safe_open(order.visible, framework="pt") as visible:
        images, labels = visible.get_tensor("retain.images"), visible.get_tensor("retain.labels")
    plan = order.plan
    return fine_tune(network, images, labels, classes=plan.classes, recipe=plan.recipe, seed=order.place)


def _set_batch_norm(network: nn.Module, images: Tensor, batch_size: int) -> None:
    """Make the statistics of every batch norm the means over the batches of `images`."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
            module.reset_running_stats()
            module.momentum = None
    network.train()
    with torch.no_grad(), without_padding_work(network):
        for batch in torch.split(images, batch_size):
            if len(batch) > 1:  # batch norm over features of 1×1 needs two
                network(batch.to(torch.float32, memory_format=torch.channels_last))


def _parameters(network: nn.Module) -> Tensor:
    """All parameters in one row, float64."""
    return torch.cat([parameter.detach().double().flatten() for parameter in network.parameters()])


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))
