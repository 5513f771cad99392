"""What a kernel multiplies with padding only can be left out: the same function, the same gradients."""

from collections import Counter

import pytest
import torch
from torch import nn

from lethe.evaluator.models import build_model
from lethe.evaluator.training.small_images import covering_taps, without_padding_work


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "taps"),
    [
        (1, 3, 1, 1, [1]),  # one pixel: the middle
        (2, 3, 2, 1, [1]),  # one place, whose first row lies outside
        (2, 3, 1, 1, [1, 0]),
        (3, 5, 1, 2, [2, 1, 0]),
        (1, 1, 2, 0, [0]),
        (2, 7, 2, 3, [3]),
        (3, 3, 1, 1, []),  # the first place misses the last pixel
        (2, 1, 2, 0, []),
        (1, 1, 1, 1, []),  # most places meet nothing at all
        (0, 3, 1, 1, []),  # torch's error, not ours
    ],
)
def test_kernels_that_cover_the_row_in_every_place(
    size: int, kernel: int, stride: int, padding: int, taps: list[int]
) -> None:
    assert covering_taps(size, kernel, stride, padding) == taps


@pytest.mark.parametrize("size", [1, 2, 3, 4, 6])
@pytest.mark.parametrize(
    "convolution",
    [
        lambda: nn.Conv2d(4, 6, 3, padding=1, bias=False),
        lambda: nn.Conv2d(4, 6, 3, stride=2, padding=1),
        lambda: nn.Conv2d(4, 6, (5, 3), stride=(1, 3), padding=(2, 1)),
        lambda: nn.Conv2d(4, 6, 3, padding=1, groups=2),
        lambda: nn.Conv2d(4, 6, 3, padding=2, dilation=2),
        lambda: nn.Conv2d(4, 6, 3, padding="same"),
        lambda: nn.Conv2d(4, 6, 3, padding=1, padding_mode="circular"),
    ],
)
def test_same_answers_and_gradients(convolution: "type[nn.Conv2d]", size: int) -> None:
    torch.manual_seed(0)
    layer = convolution().double()
    images = torch.randn(3, 4, size, size, dtype=torch.float64, requires_grad=True)

    def answers() -> list[torch.Tensor]:
        layer.zero_grad()
        images.grad = None
        found = layer(images)
        (found**2).sum().backward()
        gradients = [parameter.grad for parameter in (images, *layer.parameters())]
        return [found.detach(), *(gradient.clone() for gradient in gradients if gradient is not None)]

    plain = answers()
    with without_padding_work(layer):
        trimmed = answers()
    assert len(plain) == len(trimmed) == 2 + len(list(layer.parameters()))
    for first, second in zip(plain, trimmed, strict=True):
        torch.testing.assert_close(first, second)


def test_resnet18_does_less_on_small_photographs_and_itself_again_afterwards() -> None:
    """Counted in calls, since time is not to be relied on: seven of its convolutions see two pixels a side or one."""
    network = build_model("resnet18", 10).eval()
    images = torch.randn(2, 3, 32, 32)
    calls: Counter[object] = Counter()

    class Recorder(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            calls[function] += 1
            return function(*args, **(kwargs or {}))

    with torch.inference_mode():
        plain = network(images)
        with without_padding_work(network), Recorder():
            trimmed = network(images)
        assert (calls[nn.functional.conv2d], calls[nn.functional.linear]) == (20 - 7, 7 + 1)
        assert torch.allclose(plain, trimmed, atol=1e-4)
        calls.clear()
        with Recorder():
            assert torch.equal(network(images), plain)
    assert calls[nn.functional.conv2d] == 20
    assert not any("forward" in vars(module) for module in network.modules())
