"""The sandbox's harness for unlearning: loads the participant-visible data once, then calls one submission per fork."""

import inspect
import json
import random
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.utils.data
from safetensors.torch import load_file, save
from torch import Tensor, nn

from lethe.evaluator.data.loaders import class_weights, make_loaders
from lethe.evaluator.guest.warm_up import warm_up
from lethe.evaluator.models import build_model
from lethe.sandbox.guest import InvalidResult, NoResult, define

VISIBLE = "visible.safetensors"
ORIGINAL = "original.safetensors"
SETTING = "setting.json"
IGNORED = "lethe: unlearning changed net and returned another network; the returned one counts, the changes do not\n"


@dataclass(frozen=True)
class Context:
    """The start of every run; each fork has its own copy."""

    net: nn.Module
    tensors: Mapping[str, Tensor]
    batch_size: int
    classes: int
    device: str = "cpu"


def load(inputs: Path) -> Context:
    """Load the context from the jail's inputs; runs once, in the trusted zygote, and must stay on one thread."""
    setting = json.loads((inputs / SETTING).read_text(encoding="utf-8"))
    net = build_model(setting["architecture"], setting["classes"])
    net.load_state_dict(load_file(inputs / ORIGINAL))
    net.eval()
    torch.manual_seed(0)  # the first call reads torch's sources for a stack trace, which else costs every run 3 ms
    tensors, batch_size = load_file(inputs / VISIBLE), setting["batch_size"]
    if setting["device"] == "cpu":
        warm_up(net, tensors, batch_size)
    return Context(net, tensors, batch_size=batch_size, classes=setting["classes"], device=setting["device"])


def run(context: Context, source: bytes, filename: str, function: str, seed: int) -> bytes:
    """Run the submission; return its state dict as safetensors bytes. Raises its errors, NoResult or InvalidResult."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
    unlearning = define(source, filename, function)
    loaders = make_loaders(context.tensors, context.batch_size)
    dtypes = {name: tensor.dtype for name, tensor in context.net.state_dict().items()}
    versions = _versions(context.net)
    context.net.to(context.device)  # not in the zygote: CUDA belongs to the process that initialised it
    returned = unlearning(context.net, *loaders, **_extras(unlearning, context, seed))
    net = context.net if returned is None else returned
    if not isinstance(net, nn.Module):
        raise NoResult(f"unlearning returned {type(returned).__name__}, not a torch.nn.Module or None")
    if returned is not None and net is not context.net and _versions(context.net) != versions:
        sys.stderr.write(IGNORED)
    return save(_plain_state(net, dtypes))


def _versions(net: nn.Module) -> list[tuple[int, int]]:
    """Differs after a parameter was changed in place or replaced."""
    return [(id(parameter), parameter._version) for parameter in net.parameters()]


def _extras(unlearning: Callable[..., Any], context: Context, seed: int) -> dict[str, Any]:
    """Values for the extra parameters that the function names, of those that exist."""
    known: dict[str, Callable[[], Any]] = {
        "device": lambda: next(context.net.parameters()).device,
        "class_weights": lambda: class_weights(context.tensors["retain.labels"], context.classes).to(context.device),
        "seed": lambda: seed,
        "param_names": lambda: [name for name, _ in context.net.named_parameters()],
    }
    try:
        parameters = list(inspect.signature(unlearning).parameters)
    except (TypeError, ValueError):
        return {}
    return {name: known[name]() for name in parameters[4:] if name in known}


def _plain_state(net: nn.Module, dtypes: Mapping[str, torch.dtype]) -> dict[str, Tensor]:
    """The state dict as dense CPU tensors that share no memory: numbers as wide as in `dtypes`, pruning masks and
    parametrisations (`torch.nn.utils.prune`, `torch.nn.utils.parametrize`) folded into their weights.
    """
    state = dict(net.state_dict())
    for name in [name for name in dtypes if name not in state]:
        owner, _, attribute = name.rpartition(".")
        if f"{name}_orig" in state and f"{name}_mask" in state:
            state[name] = state.pop(f"{name}_orig") * state.pop(f"{name}_mask")
        elif any(part.startswith(f"{owner}.parametrizations.{attribute}.".lstrip(".")) for part in state):
            state[name] = getattr(net.get_submodule(owner), attribute)
    state = {name: value for name, value in state.items() if ".parametrizations." not in f".{name}"}
    plain = {}
    for name, value in state.items():
        if not isinstance(value, Tensor) or value.layout is not torch.strided or value.is_quantized or value.is_meta:
            raise InvalidResult(f"{name} is not a dense tensor")
        tensor = value.detach().to("cpu")
        wanted = dtypes.get(name, tensor.dtype)
        if tensor.is_floating_point() == wanted.is_floating_point and not tensor.is_complex():
            tensor = tensor.to(wanted)
        plain[name] = tensor.clone(memory_format=torch.contiguous_format)
    return plain
