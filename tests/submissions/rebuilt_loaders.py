"""Makes loaders of its own from the data sets that it is given, in all the usual ways."""

import numpy as np
import torch
from torch.utils.data import ConcatDataset, DataLoader, Dataset, Subset, WeightedRandomSampler, random_split


class Relabelled(Dataset):
    def __init__(self, base, classes):
        self.base, self.classes = base, classes

    def __len__(self):
        return len(self.base)

    def __getitem__(self, index):
        sample = self.base[index]
        return sample["image"], torch.randint(self.classes, ()).item()


def unlearning(net, retain, forget, validation):
    big = DataLoader(retain.dataset, batch_size=len(retain.dataset), shuffle=True, num_workers=2, drop_last=False)
    images, targets = next(iter(big))
    assert len(images) == len(targets) == len(retain.dataset)

    rows = torch.randperm(len(retain.dataset))[:8]
    subset = Subset(retain.dataset, rows)
    assert [sample["age_group"] for sample in subset] == targets.new_tensor(
        [retain.dataset[i][1] for i in rows]
    ).tolist()
    again = Subset(retain.dataset, np.arange(4))

    both = ConcatDataset([subset, forget.dataset, again])
    seen = 0
    for batch in DataLoader(both, batch_size=3, num_workers=1, persistent_workers=True):
        inputs, labels = batch
        assert batch["image"] is inputs
        seen += len(labels)
    assert seen == 8 + len(forget.dataset) + 4

    first, second = random_split(forget.dataset, [0.5, 0.5])
    assert len(first) + len(second) == len(forget.dataset)
    sampler = WeightedRandomSampler(torch.ones(len(retain.dataset)), num_samples=6)
    assert sum(len(y) for _, y in DataLoader(retain.dataset, batch_size=4, sampler=sampler)) == 6

    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3)
    for inputs, wrong in DataLoader(Relabelled(forget.dataset, 4), batch_size=4, shuffle=True):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(inputs), wrong).backward()
        optimizer.step()
    return net
