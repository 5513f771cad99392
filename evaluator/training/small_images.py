"""Convolutions over images so small that part of their kernel only ever meets padding: that part is left out.

On 32×32 photographs the last layers of ResNet-18 see images of one pixel. A 3×3 kernel there uses its middle weight;
the other eight are multiplied by zeros, which is most of the time of a step.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from torch import Tensor, nn


@contextmanager
def without_padding_work(network: nn.Module) -> Iterator[None]:
    """Inside, the network's convolutions leave out products with padding where a whole row or column of the kernel
    has nothing else. The function is the same up to rounding, and so are all gradients.
    """
    convolutions = [module for module in network.modules() if type(module) is nn.Conv2d and _is_plain(module)]
    for convolution in convolutions:
        # On the object, so that the class and all that is stored of the network stay as they are.
        convolution.forward = partial(_convolve, convolution)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for convolution in convolutions:
            del convolution.forward


def reachable(size: int, kernel: int, stride: int, padding: int) -> tuple[int, int]:
    """The part [first, end) of a kernel that meets pixels of a row of `size`; all of it where no padding can go."""
    places = (size + 2 * padding - kernel) // stride + 1
    met = [tap for tap in range(kernel) if any(0 <= place * stride + tap - padding < size for place in range(places))]
    if not met:
        return 0, kernel
    first, end = met[0], met[-1] + 1
    same = (size + 2 * (padding - first) - (end - first)) // stride + 1 == places
    return (first, end) if first <= padding and same else (0, kernel)


def _is_plain(convolution: nn.Conv2d) -> bool:
    return (
        convolution.padding_mode == "zeros"
        and isinstance(convolution.padding, tuple)
        and convolution.dilation == (1, 1)
    )


def _convolve(convolution: nn.Conv2d, images: Tensor) -> Tensor:
    weight: Tensor = convolution.weight
    padding = [int(side) for side in convolution.padding]
    parts = [
        reachable(*sides)
        for sides in zip(images.shape[2:], convolution.kernel_size, convolution.stride, padding, strict=True)
    ]
    if parts != [(0, kernel) for kernel in convolution.kernel_size]:
        weight = _part(weight, *parts)
        padding = [before - first for before, (first, _) in zip(padding, parts, strict=True)]
    return nn.functional.conv2d(
        images, weight, convolution.bias, convolution.stride, padding, groups=convolution.groups
    )


def _part(weight: Tensor, rows: tuple[int, int], columns: tuple[int, int]) -> Tensor:
    """Some rows and columns of a kernel. Cut with the channels last, so that the gradient lies in memory as the weight
    does; the optimizer would convert it at every step otherwise.
    """
    return weight.permute(0, 2, 3, 1)[:, slice(*rows), slice(*columns)].permute(0, 3, 1, 2)
