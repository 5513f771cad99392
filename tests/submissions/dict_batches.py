"""In the manner of the challenge's notebooks: batches as dictionaries, weighted loss, everything in place."""

import torch
from torch import nn

DEVICE = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")


def weights_of(loader):
    groups = torch.cat([sample["age_group"] for sample in loader])
    counts = torch.bincount(groups).float()
    return counts.sum() / counts.clamp(min=1)


def unlearning(net, retain_loader, forget_loader, val_loader):
    net.to(DEVICE)
    criterion = nn.CrossEntropyLoss(weight=weights_of(retain_loader).to(DEVICE))
    optimizer = torch.optim.AdamW(net.parameters(), lr=5e-4)
    net.train()
    for sample in retain_loader:
        assert isinstance(sample, dict)
        assert set(sample.keys()) >= {"image", "image_id", "age_group", "age", "person_id"}
        inputs, targets = sample["image"], sample["age_group"]
        loss = criterion(net(inputs.to(DEVICE)), targets.to(DEVICE))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    people = {int(person) for sample in forget_loader for person in sample["person_id"]}
    assert people
    for sample in forget_loader:
        sample = {k: v.to(DEVICE) for k, v in sample.items()}
        assert sample["image"].dtype == torch.float32
    net.eval()
