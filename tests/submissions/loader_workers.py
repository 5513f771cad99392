"""Loads in worker processes, through a data set of its own."""

import torch


class Images(torch.utils.data.Dataset):
    def __init__(self, inner):
        self.inner = inner

    def __len__(self):
        return len(self.inner)

    def __getitem__(self, index):
        image, label = self.inner[index]
        return image / 255, label


def unlearning(net, retain, forget, validation):
    for inputs, targets in torch.utils.data.DataLoader(Images(forget.dataset), batch_size=4, num_workers=1):
        assert inputs.max() <= 1 and targets.dtype == torch.int64
    with torch.no_grad():
        for p in net.parameters():
            p.add_(torch.randn_like(p) * 1e-3)
