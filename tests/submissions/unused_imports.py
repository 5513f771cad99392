"""Imports what it does not use."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import requests
import torch
import torchvision
from scipy import stats
from sklearn import linear_model, model_selection
from tqdm.auto import tqdm


def unlearning(net, retain, forget, validation):
    with torch.no_grad():
        for p in net.parameters():
            p.add_(torch.randn_like(p) * 1e-3)
