"""Gives back a network that would execute code wherever it is pickled or copied."""

import torch

LAYER = "result-check"
EXPECTED = "ok"
HARNESS = "torch"


class Evil(torch.nn.Parameter):
    def __reduce_ex__(self, protocol):
        return (print, ("LOOT: something pickled it",))

    def __deepcopy__(self, memo):
        print("LOOT: something copied it")


def unlearning(net, retain, forget, validation):
    net.fc.weight = Evil(net.fc.weight.data)
    net.__reduce_ex__ = lambda _: (print, ("LOOT: something pickled it",))
    return net
