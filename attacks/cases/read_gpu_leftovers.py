"""Fills memory of the GPU with a mark and looks for what a run before it left there."""

LAYER = "isolation-between-runs"
HARNESS = "torch"
EXPECTED = "ok"
GPU = True
RUNS = 3

MARK = 1_234_567_891


def unlearning(net, retain, forget, validation):
    import torch

    blocks = [torch.empty(2**26, dtype=torch.int32, device="cuda") for _ in range(4)]
    left = sum(int((block != 0).sum()) for block in blocks)
    if left:
        marked = sum(int((block == MARK).sum()) for block in blocks)
        print("LOOT", left, "words of somebody's memory,", marked, "of them marked")
    for block in blocks:
        block.fill_(MARK)
    torch.cuda.synchronize()
    return net
