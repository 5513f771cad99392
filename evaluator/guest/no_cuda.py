"""Lets what moves to a GPU stay where it is on a worker without one, where the host allows it."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch


def ignore_cuda() -> None:
    """Let `.cuda()` and `.to("cuda")` of tensors and modules stay on the processor, for the rest of the process.

    What is made on a GPU, with `device="cuda"`, still fails.
    """
    for kind in (torch.Tensor, torch.nn.Module):
        kind.cuda = _as_it_is  # type: ignore[assignment, method-assign]
        kind.to = _without_gpu(kind.to)  # type: ignore[method-assign]


def _as_it_is(value: Any, *_: object, **__: object) -> Any:
    return value


def _without_gpu(to: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(to)
    def moved(value: Any, *arguments: object, **named: object) -> Any:
        return to(value, *map(_here, arguments), **{name: _here(given) for name, given in named.items()})

    return moved


def _here(given: object) -> object:
    """The processor instead of a GPU; anything else as it is."""
    is_gpu = str(given).partition(":")[0] == "cuda" if isinstance(given, str | torch.device) else False
    return torch.device("cpu") if is_gpu else given
