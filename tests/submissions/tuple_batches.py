"""In the manner of the starting kit: pairs, SGD with a cosine schedule, a number printed after each epoch."""

import os

import matplotlib.pyplot as plt
import numpy as np
import requests
import torch
import torch.nn as nn
import torch.optim as optim
from sklearn import linear_model, model_selection
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.models import resnet18

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
print("Running on device:", DEVICE.upper())


def accuracy(net, loader):
    correct, total = 0, 0
    for inputs, targets in loader:
        inputs, targets = inputs.to(DEVICE), targets.to(DEVICE)
        correct += net(inputs).argmax(1).eq(targets).sum().item()
        total += targets.size(0)
    return correct / total


def unlearning(net, retain, forget, validation):
    epochs = 1
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
    net.train()
    for epoch in range(epochs):
        running = 0.0
        for i, data in enumerate(retain, 0):
            inputs, targets = data[0].to(DEVICE), data[1].to(DEVICE)
            optimizer.zero_grad()
            loss = criterion(net(inputs), targets)
            loss.backward()
            optimizer.step()
            running += loss.item()
        scheduler.step()
        print(f"[{epoch + 1}] loss {running / (i + 1):.3f}")
    net.eval()
    print(f"forget accuracy {100.0 * accuracy(net, forget):.1f}%")
    return net
