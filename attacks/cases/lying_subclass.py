"""Gives back tensors of a class that lies about layout, type and size, and returns something else when copied."""

import torch

LAYER = "result-check"
EXPECTED = ("wrong_architecture", "invalid_result", "exception", "exit")
HARNESS = "torch"


class Liar(torch.Tensor):
    layout = torch.strided
    is_quantized = is_meta = False
    shape = torch.Size([4])

    def detach(self):
        return self

    def to(self, *_, **__):
        return self

    def clone(self, **_):
        return torch.ones(1 << 10)


def unlearning(net, retain, forget, validation):
    state = dict(net.state_dict())
    state["fc.bias"] = torch.ones(1 << 16).as_subclass(Liar)
    net.state_dict = lambda: state
