"""The sandbox's harness for unlearning: loads the participant-visible data once, then calls one submission per fork."""

import copy
import json
import random
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.utils.data
from safetensors.torch import load_file, save
from torch import Tensor, nn

from lethe.evaluator.contract.parameters import bind, parameters_of
from lethe.evaluator.data.loaders import Loaders, class_weights, joined, make_loaders
from lethe.evaluator.guest import definition
from lethe.evaluator.guest.base_imports import import_base
from lethe.evaluator.guest.curve import AccuracyProbe, CurveRecorder, make_probe, with_curve
from lethe.evaluator.guest.definition import define
from lethe.evaluator.guest.no_cuda import ignore_cuda
from lethe.evaluator.guest.result import plain_state as _plain_state
from lethe.evaluator.guest.warm_up import warm_up
from lethe.evaluator.models import build_model
from lethe.sandbox.guest import NoResult

VISIBLE = "visible.safetensors"
ORIGINAL = "original.safetensors"
SAMPLE = "practice-sample.safetensors"
"""Some images of practice data, test images too; hidden runs have none."""
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
    statement_s: float = 10.0
    """Processor time after which a statement at module level is left out, where that is being decided."""
    probe: AccuracyProbe | None = None
    """What curves are measured with, where the data are practice data."""


def load(inputs: Path) -> Context:
    """Load the context from the jail's inputs; runs once, in the trusted zygote, and must stay on one thread."""
    setting = json.loads((inputs / SETTING).read_text(encoding="utf-8"))
    if setting.get("imports_base", False):
        import_base()
    net = build_model(setting["architecture"], setting["classes"])
    net.load_state_dict(load_file(inputs / ORIGINAL))
    net.eval()
    torch.manual_seed(0)  # the first call reads torch's sources for a stack trace, which else costs every run 3 ms
    tensors, batch_size = load_file(inputs / VISIBLE), setting["batch_size"]
    is_on_cpu, probe = setting["device"] == "cpu", None
    if setting.get("curve_s") is not None:
        probe = make_probe(copy.deepcopy(net), load_file(inputs / SAMPLE), setting["curve_s"], is_on_cpu=is_on_cpu)
    if is_on_cpu:
        if setting.get("ignores_cuda", False):
            ignore_cuda()
        warm_up(net, tensors, batch_size)
    return Context(
        net,
        tensors,
        batch_size=batch_size,
        classes=setting["classes"],
        device=setting["device"],
        statement_s=setting.get("statement_s", Context.statement_s),
        probe=probe,
    )


def run(context: Context, source: bytes, filename: str, function: str, seed: int) -> bytes:
    """Run the submission; return its state dict as safetensors bytes. Raises its errors, NoResult or InvalidResult."""
    net, dtypes = _unlearn(context, source, filename, function, seed)
    return save(_plain_state(net, dtypes))


def run_with_curve(context: Context, source: bytes, filename: str, function: str, seed: int) -> bytes:
    """Run the submission as `run` does, with the same result; return it with the run's curve, see `with_curve`."""
    if context.probe is None:
        raise NoResult("there is nothing to measure a curve with")
    recorder = CurveRecorder(context.probe, context.net)
    net, dtypes = _unlearn(context, source, filename, function, seed)
    return with_curve(save(_plain_state(net, dtypes)), recorder.curve_of(net))


def _unlearn(
    context: Context, source: bytes, filename: str, function: str, seed: int
) -> tuple[nn.Module, dict[str, torch.dtype]]:
    """Return the unlearned network, and the dtypes of the original's state dict."""
    _seed(seed)
    unlearning = define(source, filename, function)
    _seed(seed)  # again, because a seed that the module sets must not make all runs alike
    loaders = make_loaders(context.tensors, context.batch_size, context.classes)
    dtypes = {name: tensor.dtype for name, tensor in context.net.state_dict().items()}
    versions = _versions(context.net)
    context.net.to(context.device)  # not in the zygote: CUDA belongs to the process that initialised it
    positional, named = _arguments(unlearning, context, loaders, seed)
    returned = unlearning(*positional, **named)
    net = context.net if returned is None else returned
    if not isinstance(net, nn.Module):
        raise NoResult(f"unlearning returned {type(returned).__name__}, not a torch.nn.Module or None")
    if returned is not None and net is not context.net and _versions(context.net) != versions:
        sys.stderr.write(IGNORED)
    return net, dtypes


def decide(context: Context, source: bytes, filename: str, function: str, seed: int) -> bytes:
    """Return as JSON which statements of the submission cannot run here; raises as `definition.decide` does."""
    _seed(seed)
    return json.dumps(definition.decide(source, filename, function, statement_s=context.statement_s)).encode()


def _seed(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def _versions(net: nn.Module) -> list[tuple[int, int]]:
    """Differs after a parameter was changed in place or replaced."""
    return [(id(parameter), parameter._version) for parameter in net.parameters()]


def _arguments(
    unlearning: Callable[..., Any], context: Context, loaders: Loaders, seed: int
) -> tuple[list[Any], dict[str, Any]]:
    """The values that the function's parameters ask for, by place and by name; raises Unbindable."""
    values: dict[str, Callable[[], Any]] = {
        "net": lambda: context.net,
        **{part: partial(getattr, loaders, part) for part in Loaders._fields},
        "train": lambda: joined(loaders.retain, loaders.forget),
        "original": lambda: copy.deepcopy(context.net).eval().requires_grad_(False),
        "device": lambda: next(context.net.parameters()).device,
        "class_weights": lambda: class_weights(context.tensors["retain.labels"], context.classes).to(context.device),
        "seed": lambda: seed,
        "param_names": lambda: [name for name, _ in context.net.named_parameters()],
    }
    parameters = parameters_of(unlearning)
    binding = bind(parameters)
    positional: list[Any] = []
    named: dict[str, Any] = {}
    by_place = True
    for parameter in parameters:
        by_place = by_place and parameter.is_positional and parameter.name in binding.given
        if by_place:
            positional.append(values[binding.given[parameter.name]]())
        elif parameter.name in binding.given:
            named[parameter.name] = values[binding.given[parameter.name]]()
    return positional + [values[meaning]() for meaning in binding.rest], named
