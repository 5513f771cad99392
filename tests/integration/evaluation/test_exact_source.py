"""The check decides what of a notebook runs; what it decided is what every run executes."""

import json

import pytest

from lethe.evaluator.artifacts.outputs import read_outputs
from lethe.evaluator.contract.states import Stage
from lethe.evaluator.pipeline import WorkerResources
from lethe.server.submissions.static_check import check_file
from tests.integration.evaluation.worker_resources import run

pytestmark = pytest.mark.component("bubblewrap")

METHOD = """def unlearning(net, retain_loader, forget_loader, val_loader):
    optimizer = torch.optim.SGD(net.parameters(), lr=LR)
    for sample in retain_loader:
        loss = torch.nn.functional.cross_entropy(net(sample["image"].to(DEVICE)), sample["age_group"].to(DEVICE))
        optimizer.zero_grad(); loss.backward(); optimizer.step()"""
CELLS = (
    "import torch\nDEVICE = 'cuda' if torch.cuda.is_available() else 'cpu'\nLR = 0.001",
    "if DEVICE != 'cuda':\n    raise RuntimeError('add an accelerator')",
    "import torchvision\nset_ = torchvision.datasets.CIFAR10('./data', download=True)\nloader = iter(set_)",
    METHOD,
    "import requests\nrequests.get('https://example.org/weights.pth')",
    "unlearning(torch.nn.Linear(1, 1), loader, loader, loader)",
)


def source_of(*cells: str) -> bytes:
    body = [{"cell_type": "code", "source": cell, "outputs": []} for cell in cells]
    notebook = json.dumps({"nbformat": 4, "metadata": {}, "cells": body}).encode()
    return check_file(notebook, filename="mine.ipynb", limit_bytes=128 * 2**10).source


def test_a_driver_around_the_function_does_not_kill_it(resources: WorkerResources) -> None:
    source = source_of(*CELLS)
    done = run(resources, source, seeds=(1, 2), leaves_out=True)
    assert done.fault is None, done.fault
    assert done.check is not None
    assert done.check.exact is not None
    assert [note.split(": ")[0] for note in done.check.left_out] == [
        "cell 2, line 1", "cell 3, line 2", "cell 3, line 3", "cell 5, line 2", "cell 6, line 1"
    ]  # fmt: skip
    exact = resources.store.get(done.check.exact)
    assert exact.count(b"\n") == source.count(b"\n")
    assert b"\nLR = 0.001\n" in exact
    assert b"\n# left out: requests.get(" in exact
    hidden = run(resources, exact, stage=Stage.RUN, token=5)
    assert hidden.fault is None
    assert len(hidden.finished) == 1
    again = run(resources, exact, leaves_out=True)
    assert again.check is not None
    assert (again.check.exact, again.check.left_out) == (
        resources.store.put_named_by_digest("source", exact, ".py"),
        (),
    )


def test_a_file_that_runs_whole_is_not_changed(resources: WorkerResources) -> None:
    done = run(resources, source_of(CELLS[0], METHOD), leaves_out=True)
    assert done.check is not None
    assert done.check_outputs is not None
    assert read_outputs(done.check_outputs).finite
    assert done.check.exact is not None
    assert resources.store.get(done.check.exact) == source_of(CELLS[0], METHOD)
    assert done.check.left_out == ()


def test_a_needed_name_that_cannot_be_had_is_named(resources: WorkerResources) -> None:
    cells = ("import torch\nDEVICE = 'cpu'\nLR = float(open('/kaggle/input/lr.txt').read())", METHOD)
    done = run(resources, source_of(*cells), leaves_out=True)
    assert done.fault is not None
    assert "unlearning needs `LR` from cell 1, line 3" in done.fault.message
    assert done.check is not None


def test_without_leave_a_statement_that_raises_ends_the_submission(resources: WorkerResources) -> None:
    done = run(resources, source_of(*CELLS))
    assert done.fault is not None
    assert "add an accelerator" in done.fault.message


def test_an_answer_that_was_tampered_with_is_the_submissions_fault(resources: WorkerResources) -> None:
    forged = (
        "import gc\n"
        "for one in gc.get_objects():\n"
        "    if type(one) is list and one and type(one[0]) is dict and 'reason' in one[0]: one[0]['last'] = 99\n"
        "def unlearning(net, retain, forget, validation): pass\n"
    )
    done = run(resources, f"nothing()\n{forged}", leaves_out=True)
    assert done.fault is not None
    assert (done.fault.owner, done.fault.code) == ("participant", "invalid_result")
    assert "lines 1 to 99" in done.fault.message
