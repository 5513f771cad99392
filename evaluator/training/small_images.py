"""Convolutions over images so small that the kernel covers them at every place: each is one matrix product.

On 32×32 photographs the last layers of ResNet-18 see images of 2×2 pixels and of one. There, five ninths and eight
ninths of a 3×3 kernel's factors are zeros of the padding.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn


@contextmanager
def without_padding_work(network: nn.Module) -> Iterator[None]:
    """Compute the network's convolutions as matrix products without the padding, where each pixel of an image counts
    for each place of the result. The function is the same up to rounding, and so are all gradients.
    """
    convolutions = [module for module in network.modules() if type(module) is nn.Conv2d and _is_plain(module)]
    for convolution in convolutions:
        # On the object, so that the class and the network's stored state stay as they are.
        convolution.forward = partial(_convolve, convolution)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for convolution in convolutions:
            del convolution.forward


def covering_taps(size: int, kernel: int, stride: int, padding: int) -> list[int]:
    """For each place of a kernel along a row of `size` pixels, its tap on the first pixel; empty unless every place
    covers the whole row.
    """
    places = (size + 2 * padding - kernel) // stride + 1
    taps = [padding - place * stride for place in range(places)]
    return taps if all(0 <= tap <= kernel - size for tap in taps) else []


def _is_plain(convolution: nn.Conv2d) -> bool:
    return (
        convolution.padding_mode == "zeros"
        and isinstance(convolution.padding, tuple)
        and convolution.dilation == (1, 1)
        and convolution.groups == 1
    )


def _convolve(convolution: nn.Conv2d, images: Tensor) -> Tensor:
    count, _, height, width = images.shape
    padding = [int(side) for side in convolution.padding]
    tops, lefts = map(covering_taps, (height, width), convolution.kernel_size, convolution.stride, padding)
    if not (tops and lefts):
        return nn.functional.conv2d(images, convolution.weight, convolution.bias, convolution.stride, padding)
    kernel = convolution.weight.permute(0, 2, 3, 1)  # (O, K, K, I), the memory order of channels-last weights
    seen = [kernel[:, top : top + height, left : left + width] for top in tops for left in lefts]
    matrix = torch.stack(seen).reshape(-1, height * width * convolution.in_channels)  # (places · O, H · W · I)
    answers = nn.functional.linear(images.permute(0, 2, 3, 1).reshape(count, -1), matrix)
    answers = answers.view(count, len(tops), len(lefts), -1)  # (B, rows, columns, O)
    if convolution.bias is not None:
        answers = answers + convolution.bias
    return answers.permute(0, 3, 1, 2)
