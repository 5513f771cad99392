"""Tries a host's network before anything is trained, in a process of the training pool, and says what it is.

Sources of modules are executed there only: the command that creates a competition holds the database's credentials.
"""

import ast
import random
import sys
import time
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from lethe.evaluator.banks.training_jobs import TrainingPool
from lethe.evaluator.banks.verification import relative_difference
from lethe.evaluator.contract.networks import BUILT_IN, TORCHVISION, read_network
from lethe.evaluator.contract.prepared_competition import NetworkFacts
from lethe.evaluator.errors import EvaluatorError

if TYPE_CHECKING:
    from torch import Tensor, nn

Argument = TypeVar("Argument")
Found = TypeVar("Found")
WALL_S = 300.0
FEW = 4
"""Images of the first tries."""
TOLERANCE = 1e-3
"""Of logits relative to the largest: kernels for other batch sizes round differently."""
# What guests and workers have: the packages of BASE_PACKAGES by the names under which they are imported.
IMPORTABLE = frozenset(
    {
        "PIL", "absl", "joblib", "matplotlib", "numpy", "pandas", "requests", "scipy", "sklearn", "tabulate", "torch",
        "torchvision", "tqdm", "yaml",
    }
)  # fmt: skip


class NetworkRefused(EvaluatorError, ValueError):
    """The network cannot be trained or compared; the message says why, and what to change."""


@dataclass(frozen=True)
class NetworkTrial:
    """What to try: a network by its text, with images (B, 3, `image_size`, `image_size`) in batches of `batch_size`."""

    network: str
    classes: int
    image_size: int
    batch_size: int


@dataclass(frozen=True)
class CheckedNetwork:
    """What was counted of the network, and the seconds of one step of training on one thread; None where not tried."""

    facts: NetworkFacts
    step_s: float | None = None


def check_network(trial: NetworkTrial, pool: TrainingPool) -> CheckedNetwork:
    """Return what the network is; raises NetworkRefused. Shipped ones are only described."""
    network = read_network(trial.network)
    if network.source:
        _require_importable(network.name, network.source)
    elif network.name in BUILT_IN:
        return CheckedNetwork(describe(trial))
    return in_process(pool, try_network, trial, network.name)


def in_process(pool: TrainingPool, function: Callable[[Argument], Found], argument: Argument, name: str) -> Found:
    """Return what `function` finds of the network called `name` in a process of the pool.

    Raises NetworkRefused when that takes too long or ends the process.
    """
    future = pool.submit(function, argument)
    try:
        return future.result(timeout=WALL_S)
    except TimeoutError:
        raise NetworkRefused(
            f"{name} took more than {WALL_S:g} s for a few steps of training: it is too slow"
        ) from None
    except BrokenProcessPool as error:
        raise NetworkRefused(
            f"the process that tried {name} died: it may need more memory than this machine has"
        ) from error


def describe(trial: NetworkTrial, built: "nn.Module | None" = None) -> NetworkFacts:
    """Return the sizes of the network and the names of its layers; builds it unless it is `built`."""
    net = _build(trial) if built is None else built
    return NetworkFacts(
        weights=sum(parameter.numel() for parameter in net.parameters()),
        state_bytes=sum(tensor.numel() * tensor.element_size() for tensor in net.state_dict().values()),
        layers=tuple(name for name, _ in net.named_children()),
    )


def try_network(trial: NetworkTrial) -> CheckedNetwork:
    """Build, run and train the network as banks, guests and workers will; runs in a process of the pool.

    Raises NetworkRefused with one sentence.
    """
    import torch

    torch.set_num_threads(1)
    name = read_network(trial.network).name
    net = _built(trial, name)
    _require_plain(net, name)
    _require_forward(net, trial, name)
    step_s = _require_training(net, trial, name)
    return CheckedNetwork(describe(trial, net), step_s)


def _require_importable(name: str, source: str) -> None:
    try:
        tree = ast.parse(source, name)
    except (SyntaxError, ValueError) as error:
        raise NetworkRefused(f"{name} is no Python: {error}") from error
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            raise NetworkRefused(f"{name}, line {node.lineno}: a relative import; the module must stand alone")
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for root in (one.partition(".")[0] for one in names):
            if root not in IMPORTABLE and root not in sys.stdlib_module_names:
                raise NetworkRefused(
                    f"{name}, line {getattr(node, 'lineno', 0)}: imports {root}, which workers and sandboxes do not "
                    f"have; they have {', '.join(sorted(IMPORTABLE, key=str.casefold))} and the standard library"
                )


def _built(trial: NetworkTrial, name: str) -> "nn.Module":
    """The network, after it was built three times to see that its weights follow torch's global generator."""
    import numpy as np
    import torch

    states = []
    for seed, elsewhere in ((1, 1), (1, 2), (2, 2)):
        random.seed(elsewhere)
        np.random.seed(elsewhere)
        torch.manual_seed(seed)
        net: nn.Module = _tried(lambda: _build(trial), f"{name} cannot be built with {trial.classes} classes")
        _require_materialised(net, name)
        states.append({key: value for key, value in net.state_dict().items() if isinstance(value, torch.Tensor)})
    first, again, other = states
    if first.keys() != again.keys() or not _all_equal(first, again):
        raise NetworkRefused(
            f"{name} gives other weights when it is built again with the same seed: draw them all with torch's global "
            "generator, as torch.nn.init does, not with random, numpy or a generator of its own"
        )
    if first.keys() == other.keys() and _all_equal(first, other):
        raise NetworkRefused(
            f"{name} gives the same weights with every seed, so that all oracles would begin alike: draw them with "
            "torch's global generator, and set no seed in the module"
        )
    return net


def _build(trial: NetworkTrial) -> "nn.Module":
    from lethe.evaluator.models import build_model

    return build_model(trial.network, trial.classes)


def _all_equal(first: "dict[str, Tensor]", second: "dict[str, Tensor]") -> bool:
    import torch

    return all(torch.equal(value, second[key]) for key, value in first.items())


def _require_materialised(net: "nn.Module", name: str) -> None:
    from torch.nn.parameter import is_lazy

    lazy = [key for key, value in (*net.named_parameters(), *net.named_buffers()) if is_lazy(value)]
    if lazy:
        raise NetworkRefused(
            f"{name}: {lazy[0]} gets its shape from the first batch; replace lazy layers by ones with given sizes"
        )


def _require_plain(net: "nn.Module", name: str) -> None:
    """Refuse what cannot be stored as one tensor a name."""
    import torch
    from safetensors.torch import save

    if not any(parameter.requires_grad for parameter in net.parameters()):
        raise NetworkRefused(f"{name} has no parameter that can be trained")
    state = net.state_dict()
    for key, value in state.items():
        if not isinstance(value, torch.Tensor):
            raise NetworkRefused(f"{name}: {key} of the state dict is {type(value).__name__}, not a tensor")
        if value.layout != torch.strided or value.device.type != "cpu" or value.is_complex() or value.is_quantized:
            raise NetworkRefused(f"{name}: {key} of the state dict must be a dense tensor of real numbers on the CPU")
    for key, parameter in net.named_parameters():
        if parameter.requires_grad and parameter.dtype != torch.float32:
            raise NetworkRefused(f"{name}: {key} is {parameter.dtype}, and weights are trained as float32")
    try:
        save({key: value.contiguous() for key, value in state.items()})
    except (RuntimeError, ValueError) as error:
        raise NetworkRefused(
            f"{name}: tensors of the state dict share memory, such as tied weights; give each a tensor of its own "
            f"({_first_line(error)})"
        ) from error


def _require_forward(net: "nn.Module", trial: NetworkTrial, name: str) -> None:
    """Refuse a network whose answers in evaluation mode are no logits, vary, or depend on the batch."""
    import torch

    images = _images(trial, FEW)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    net.eval()
    with torch.no_grad():
        what = f"{name} fails in evaluation mode on images of {trial.image_size} × {trial.image_size}"
        logits = _logits(_tried(lambda: net(images), what), trial, name, FEW)
        again = _logits(_tried(lambda: net(images), what), trial, name, FEW)
        alone = _tried(lambda: torch.cat([net(one[None]) for one in images]), f"{name} fails on a batch of one")
    if not torch.equal(logits, again):
        raise NetworkRefused(
            f"{name} gives other answers to the same images in evaluation mode: it must be deterministic"
        )
    if relative_difference(logits.numpy(), _logits(alone, trial, name, FEW).numpy()) > TOLERANCE:
        raise NetworkRefused(f"{name} answers an image otherwise when others are in its batch, in evaluation mode")
    _require_unchanged(net, before, name)


def _require_training(net: "nn.Module", trial: NetworkTrial, name: str) -> float:
    """Train by two steps; return the seconds of the second one."""
    import torch

    net.train()
    before = {key: value.detach().clone() for key, value in net.named_parameters()}
    names = list(net.state_dict())
    net = net.to(memory_format=torch.channels_last)
    what = f"{name} fails in training on images of {trial.image_size} × {trial.image_size}"
    loss = _tried(lambda: _loss(net, trial, name, FEW), what)
    if list(net.state_dict()) != names or not _all_equal(before, dict(net.named_parameters())):
        raise NetworkRefused(
            f"{name} changes its weights or names when it first sees data: replace what initialises itself from a batch"
        )
    _tried(lambda: torch.autograd.backward(loss), f"{name} has no gradient")
    if all(parameter.grad is None for parameter in net.parameters()):
        raise NetworkRefused(f"{name}: no parameter gets a gradient")
    started = time.perf_counter()
    _tried(lambda: torch.autograd.backward(_loss(net, trial, name, trial.batch_size)), what)
    return time.perf_counter() - started


def _loss(net: "nn.Module", trial: NetworkTrial, name: str, count: int) -> "Tensor":
    import torch

    images = _images(trial, count).contiguous(memory_format=torch.channels_last)
    logits = _logits(net(images), trial, name, count)
    return torch.nn.functional.cross_entropy(logits, torch.arange(count) % trial.classes)


def _images(trial: NetworkTrial, count: int) -> "Tensor":
    """The same random photographs each time, (count, 3, H, W) float32 from 0 to 255."""
    import torch

    generator = torch.Generator().manual_seed(0)
    shape = (count, 3, trial.image_size, trial.image_size)
    return torch.randint(0, 256, shape, generator=generator).to(torch.float32)


def _logits(answer: object, trial: NetworkTrial, name: str, count: int) -> "Tensor":
    """`answer` if it is (count, classes) finite float32; raises NetworkRefused else."""
    import torch

    if not isinstance(answer, torch.Tensor):
        raise NetworkRefused(
            f"{name} answers with {type(answer).__name__}, not a tensor of logits; torchvision's networks with "
            "auxiliary classifiers need options = { aux_logits = false, init_weights = true }"
        )
    if answer.shape != (count, trial.classes) or answer.dtype != torch.float32:
        raise NetworkRefused(
            f"{name} answers {count} images with {tuple(answer.shape)} {answer.dtype}; logits must be "
            f"({count}, {trial.classes}) float32"
        )
    if not bool(answer.isfinite().all()):
        raise NetworkRefused(f"{name} answers with NaN or infinite numbers; images have values from 0 to 255")
    return answer


def _require_unchanged(net: "nn.Module", before: "dict[str, Tensor]", name: str) -> None:
    import torch

    after = net.state_dict()
    changed = [key for key in before if key not in after or not torch.equal(before[key], after[key])]
    if changed or after.keys() - before.keys():
        raise NetworkRefused(
            f"{name} changes {(changed or sorted(after.keys() - before.keys()))[0]} in evaluation mode: "
            "a network must be a function of its images there"
        )


def _tried(attempt: Callable[[], Any], what: str) -> Any:
    """What `attempt` gives; raises NetworkRefused that begins with `what` where it raises."""
    try:
        return attempt()
    except NetworkRefused:
        raise
    except (Exception, SystemExit) as error:
        raise NetworkRefused(f"{what}: {type(error).__name__}: {_first_line(error)}{_hint(what, error)}") from error


def _hint(what: str, error: BaseException) -> str:
    if what.startswith(TORCHVISION) and "vit_" in what and "height" in str(error):
        return (
            ". Set model.options = { image_size = … } to data.image_size; both must be a multiple of the patch's size"
        )
    return ""


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [""])[0][:200]
