"""Reads the returned network back: its weights under the names of the original architecture."""

import sys
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from lethe.sandbox.guest import InvalidResult

# Where wrappers keep what they wrap: torch.compile; DataParallel, DistributedDataParallel and AveragedModel; opacus.
WRAPPERS = ("_orig_mod", "module", "_module")
_ADAPTERS = ("lora_", "lora.", "adapter", "base_layer", "ia3_", "hada_")
_SHOWN = 5


def plain_state(net: nn.Module, dtypes: Mapping[str, torch.dtype]) -> dict[str, Tensor]:
    """The state dict as dense CPU tensors that share no memory, with numbers as wide as in `dtypes`.

    dtypes: name -> dtype of the original's state dict. Wrappers are taken off where what is inside fits. Pruning masks,
    parametrisations (`torch.nn.utils.prune`, `torch.nn.utils.parametrize`), weight and spectral norm are folded into
    their weights. Buffers that the original has not are dropped with a note on stderr. Raises InvalidResult for
    adapters, which must be merged, and for tensors that are not dense.
    """
    net = _unwrapped(net, dtypes)
    state = _folded(net, dtypes)
    buffers = dict(net.named_buffers())
    extra = [name for name in state if name not in dtypes]
    adapters = [name for name in extra if any(part in name for part in _ADAPTERS)]
    if adapters:
        raise InvalidResult(
            f"the network has adapters ({', '.join(adapters[:_SHOWN])}): merge each into the layer that it adapts, and "
            "put plain layers back (merge_and_unload() of peft does both)"
        )
    dropped = [name for name in extra if name in buffers]
    if dropped:
        more = f" and {len(dropped) - _SHOWN} more" if len(dropped) > _SHOWN else ""
        sys.stderr.write(f"lethe: the original has no buffers {', '.join(dropped[:_SHOWN])}{more}; they are dropped\n")
    return {name: _plain(name, value, dtypes) for name, value in state.items() if name not in dropped}


def _unwrapped(net: nn.Module, dtypes: Mapping[str, torch.dtype]) -> nn.Module:
    """The network inside of wrappers that hold all of its parameters; `net` itself where there are none."""
    for _ in range(10):
        for attribute in WRAPPERS:
            inner = net._modules.get(attribute)
            prefix = f"{attribute}."
            holds_all = all(name.startswith(prefix) for name, _ in net.named_parameters())
            if inner is not None and holds_all and not any(name.startswith(prefix) for name in dtypes):
                net = inner
                break
        else:
            break
    return net


def _folded(net: nn.Module, dtypes: Mapping[str, torch.dtype]) -> dict[str, Any]:
    state = dict(net.state_dict())
    for name in [name for name in dtypes if name not in state]:
        owner, _, attribute = name.rpartition(".")
        if f"{name}_orig" in state and f"{name}_mask" in state:
            state[name] = state.pop(f"{name}_orig") * state.pop(f"{name}_mask")
        elif any(part.startswith(f"{owner}.parametrizations.{attribute}.".lstrip(".")) for part in state):
            state[name] = getattr(net.get_submodule(owner), attribute)
        else:
            _fold_norm(net, owner, attribute, state)
    return {name: value for name, value in state.items() if ".parametrizations." not in f".{name}"}


def _fold_norm(net: nn.Module, owner: str, attribute: str, state: dict[str, Any]) -> None:
    """Put the weight that a forward pass would compute in the place of what it is computed from."""
    try:
        module = net.get_submodule(owner)
    except AttributeError:
        return
    name = f"{owner}.{attribute}".lstrip(".")
    for hook in module._forward_pre_hooks.values():
        if getattr(hook, "name", None) != attribute:
            continue
        if isinstance(hook, WeightNorm):
            state[name] = hook.compute_weight(module)
        elif isinstance(hook, SpectralNorm):
            state[name] = hook.compute_weight(module, do_power_iteration=False)
        for part in ("g", "v", "u", "orig"):
            state.pop(f"{name}_{part}", None)


def _plain(name: str, value: object, dtypes: Mapping[str, torch.dtype]) -> Tensor:
    if not isinstance(value, Tensor) or value.layout is not torch.strided or value.is_quantized or value.is_meta:
        raise InvalidResult(f"{name} is not a dense tensor")
    tensor = value.detach().to("cpu")
    wanted = dtypes.get(name, tensor.dtype)
    if tensor.is_floating_point() == wanted.is_floating_point and not tensor.is_complex():
        tensor = tensor.to(wanted)
    return tensor.clone(memory_format=torch.contiguous_format)
