"""What a kernel multiplies with padding only can be left out: the same function, the same gradients."""

import pytest
import torch
from torch import nn

from evaluator.models import build_model
from evaluator.training.small_images import reachable, without_padding_work


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "part"),
    [
        (1, 3, 1, 1, (1, 2)),  # one pixel: the middle
        (2, 3, 2, 1, (1, 3)),  # one place, whose first row lies outside
        (2, 3, 1, 1, (0, 3)),  # two places, which together meet all
        (8, 3, 1, 1, (0, 3)),
        (1, 1, 2, 0, (0, 1)),
        (1, 7, 2, 3, (3, 4)),
        (2, 7, 2, 3, (3, 5)),
        (3, 5, 3, 2, (2, 5)),
        (1, 1, 1, 1, (0, 1)),  # most places meet nothing at all
        (0, 3, 1, 1, (0, 3)),  # torch's error, not ours
    ],
)
def test_the_part_that_meets_pixels(size: int, kernel: int, stride: int, padding: int, part: tuple[int, int]) -> None:
    assert reachable(size, kernel, stride, padding) == part


@pytest.mark.parametrize("size", [1, 2, 3, 4, 6])
@pytest.mark.parametrize(
    "convolution",
    [
        lambda: nn.Conv2d(4, 6, 3, padding=1, bias=False),
        lambda: nn.Conv2d(4, 6, 3, stride=2, padding=1),
        lambda: nn.Conv2d(4, 6, (5, 3), stride=(1, 3), padding=(2, 1), groups=2),
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
    """Counted in products, since time is not to be relied on: the last layers do a ninth of theirs."""
    network = build_model("resnet18", 10).eval()
    images = torch.randn(2, 3, 32, 32)
    kernels: list[tuple[int, ...]] = []

    class Recorder(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            if function is nn.functional.conv2d:
                kernels.append(tuple(args[1].shape[2:]))
            return function(*args, **(kwargs or {}))

    with torch.inference_mode():
        plain = network(images)
        with without_padding_work(network), Recorder():
            trimmed = network(images)
        assert kernels.count((1, 1)) == 3 + 3  # three shortcuts, three convolutions over one pixel
        assert kernels.count((2, 2)) == 1
        assert torch.allclose(plain, trimmed, atol=1e-4)
        kernels.clear()
        with Recorder():
            assert torch.equal(network(images), plain)
    assert kernels.count((1, 1)) == 3
    assert not any("forward" in vars(module) for module in network.modules())
