"""The architectures of competitions, built by name or from a host's source. Runs in the sandbox too: imports only torch
and torchvision.
"""

import linecache
import sys
from difflib import get_close_matches
from functools import cache
from hashlib import sha256
from types import ModuleType

from torch import nn

from lethe.evaluator.contract.networks import BUILD, BUILT_IN, TORCHVISION, Network, read_network

from .small import SmallResNet


def build_model(architecture: str, classes: int) -> nn.Module:
    """A freshly initialised network on the CPU, in training mode; its weights come from torch's global generator.

    architecture: the text of a `Network`. Input (B, 3, H, W) float32, output (B, classes) float32 logits. `resnet18` is
    torchvision's, unchanged; `resnet-small` has the same layer names. The source of a host's module is executed. Raises
    ValueError for another name or fewer than two classes, TypeError for a module without a `build` that gives a
    network, and what a constructor raises.
    """
    if classes < 2:
        raise ValueError(f"a classifier needs at least 2 classes, not {classes}")
    network = read_network(architecture)
    if network.source:
        return _from_source(network, classes)
    if network.name == "resnet-small":
        return SmallResNet(classes)
    if network.name == "resnet18" or network.name.startswith(TORCHVISION):
        return _from_torchvision(network, classes)
    raise ValueError(f"unknown architecture {network.name!r}; known: {', '.join(BUILT_IN)}, {TORCHVISION}NAME")


def _from_torchvision(network: Network, classes: int) -> nn.Module:
    # Importing torchvision takes seconds, and the small network needs none.
    from torchvision import models
    from torchvision.models._api import get_model, list_models

    name = network.name.removeprefix(TORCHVISION)
    known = list_models(module=models)
    if name not in known:
        near = get_close_matches(name, known)
        raise ValueError(f"torchvision has no classification model {name!r}; near are {', '.join(near) or 'none'}")
    built: nn.Module = get_model(name, weights=None, num_classes=classes, **network.options)
    return built


def _from_source(network: Network, classes: int) -> nn.Module:
    build = getattr(_module(network.name, network.source), BUILD, None)
    if not callable(build):
        raise TypeError(f"{network.name} has no function {BUILD}(classes)")
    built = build(classes, **network.options)
    if not isinstance(built, nn.Module):
        raise TypeError(f"{BUILD} of {network.name} returns {type(built).__name__}, not a torch.nn.Module")
    return built


@cache
def _module(name: str, source: str) -> ModuleType:
    """The executed module; networks can be pickled, because its classes are found under its name."""
    module = ModuleType(f"lethe_network_{sha256(source.encode()).hexdigest()[:16]}")
    module.__file__ = name
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    sys.modules[module.__name__] = module
    try:
        exec(compile(source, name, "exec"), module.__dict__)  # noqa: S102 - the host's own module
    except BaseException:
        del sys.modules[module.__name__]
        raise
    return module
