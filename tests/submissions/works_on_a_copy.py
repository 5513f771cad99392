"""Trains a copy and gives that back."""

from copy import deepcopy

import torch


def unlearning(net, retain, forget, validation):
    student = deepcopy(net).train()
    optimizer = torch.optim.SGD(student.parameters(), lr=1e-2)
    for batch in retain:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(student(batch["image"]), batch["age_group"]).backward()
        optimizer.step()
    return student
