"""Lets `.cuda()` do nothing on a worker without a GPU, where the host allows it."""

from typing import Any

import torch


def ignore_cuda() -> None:
    """Let `.cuda()` of tensors and modules return them as they are, for the rest of the process.

    Everything else that names a GPU still fails: `.to("cuda")`, `device="cuda"`.
    """
    torch.Tensor.cuda = _as_it_is  # type: ignore[assignment, method-assign]
    torch.nn.Module.cuda = _as_it_is  # type: ignore[assignment, method-assign]


def _as_it_is(value: Any, *_: object, **__: object) -> Any:
    return value
