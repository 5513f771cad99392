"""Guests and the inference process build a host's module and torchvision's networks."""

import pytest

from lethe.evaluator.artifacts.outputs import read_outputs
from lethe.evaluator.contract.networks import Network
from lethe.evaluator.pipeline import WorkerResources
from tests.integration.evaluation.worker_resources import CLASSES, run

pytestmark = pytest.mark.component("bubblewrap")

MODULE = """
from torch import nn

class Net(nn.Module):
    def __init__(self, classes, width):
        super().__init__()
        self.body = nn.Conv2d(3, width, 3, stride=4)
        self.head = nn.Linear(width, classes)

    def forward(self, images):
        return self.head(self.body(images).relu().mean((2, 3)))

def build(classes, width):
    return Net(classes, width)
"""
UNLEARN = """import copy, torch
def unlearning(net, retain, forget, validation):
    again = copy.deepcopy(net)
    optimizer = torch.optim.SGD(again.parameters(), lr=1e-4)
    for inputs, targets in retain:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(again(inputs), targets).backward()
        optimizer.step()
    print(*(name for name, _ in again.named_children()))
    return again
"""
NETWORKS = {
    "module": (Network("model.py", {"width": 5}, MODULE), "body head"),
    "torchvision": (Network("torchvision:mobilenet_v2", {"width_mult": 0.1}), "features classifier"),
}


@pytest.mark.parametrize(("network", "parts"), NETWORKS.values(), ids=NETWORKS)
def test_a_submission_is_run_on_it(resources: WorkerResources, network: Network, parts: str) -> None:
    checked = run(resources, UNLEARN, architecture=network.text)
    assert checked.fault is None, checked.fault
    assert checked.check is not None
    assert checked.check.stdout == f"{parts}\n"
    assert checked.check_outputs is not None
    assert read_outputs(checked.check_outputs).logits["forget"].shape == (8, CLASSES)
