"""Takes more memory on the GPU than a run may, and sits on it."""

LAYER = "limits"
HARNESS = "torch"
EXPECTED = "out_of_memory"
GPU = True


def unlearning(net, retain, forget, validation):
    import time

    import torch

    hoard = [torch.ones(2**28, device="cuda") for _ in range(4)]
    torch.cuda.synchronize()
    time.sleep(60)
    return hoard
