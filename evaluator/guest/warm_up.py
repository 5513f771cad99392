"""Triggers torch's lazy preparations once in the zygote, so that no run pays for them."""

import copy
from collections.abc import Mapping

import torch
import torch._dynamo  # an optimizer imports it on first use, which would cost every run a second or two
from safetensors.torch import save
from torch import Tensor, nn

from lethe.evaluator.guest.malloc import give_freed_memory_back, keep_freed_memory


def warm_up(net: nn.Module, tensors: Mapping[str, Tensor], batch_size: int) -> None:
    """Train a copy of `net` by one batch and save it, so that the kernels of its layers are built.

    Afterwards malloc keeps freed memory, in every run. The copy's memory is given back, because forks would copy it.
    With several threads nothing is trained: OpenMP's threads would be missing after a fork.
    """
    keep_freed_memory()
    if torch.get_num_threads() == 1:
        _train(copy.deepcopy(net).train(), tensors, batch_size)
        give_freed_memory_back()


def _train(net: nn.Module, tensors: Mapping[str, Tensor], batch_size: int) -> None:
    images, labels = (tensors[f"retain.{field}"][:batch_size] for field in ("images", "labels"))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    criterion = nn.CrossEntropyLoss()
    criterion(net(images.to(torch.float32)), labels).backward()
    optimizer.step()
    save(net.state_dict())
