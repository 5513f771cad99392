"""Files that follow the contract give the bits that a plain call gives: seed, execute, call with four arguments."""

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save

from lethe.evaluator.data.loaders import class_weights, make_loaders
from lethe.evaluator.guest import harness
from lethe.evaluator.guest.result import plain_state
from lethe.sandbox.guest import define
from lethe.server.submissions.static_check import check_file
from tests.unit.evaluator.guest.inputs import write_inputs

ROOT = Path(__file__).parents[2]
# Of the tolerance files those that ran before parameters were bound by name, and need no folders of a jail.
TOLERANCE_FILES = (
    *("dict_batches.py", "extra_parameters.py", "frozen_parameters.py", "half_precision.py", "notebook.ipynb"),
    *("pruned.py", "rebuilt_loaders.py", "swapped_modules.py", "tuple_batches.py", "whole_batches.py"),
    "works_on_a_copy.py",
)
FILES = [
    *sorted(path for path in (ROOT / "baselines").glob("*.py") if path.name != "__init__.py"),
    *(ROOT / "tests/submissions" / name for name in TOLERANCE_FILES),
]
SEED = 2**40 + 7


def plain_call(inputs: Path, source: bytes) -> bytes:
    """The weights after the plainest call, by a few lines that share nothing with the harness but its inputs."""
    context = harness.load(inputs)
    random.seed(SEED)
    np.random.seed(SEED % 2**32)
    torch.manual_seed(SEED)
    dtypes = {name: one.dtype for name, one in context.net.state_dict().items()}
    unlearning = define(source, "submission.py", "unlearning")
    loaders = make_loaders(context.tensors, context.batch_size)
    code = unlearning.__code__
    extras = {
        "device": torch.device("cpu"),
        "class_weights": class_weights(context.tensors["retain.labels"], context.classes),
        "seed": SEED,
        "param_names": [name for name, _ in context.net.named_parameters()],
    }
    named = code.co_varnames[4 : code.co_argcount + code.co_kwonlyargcount]
    net = unlearning(context.net, *loaders, **{name: extras[name] for name in named if name in extras}) or context.net
    return save(plain_state(net, dtypes))


@pytest.fixture
def inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_inputs(tmp_path)
    return tmp_path


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_bits_are_those_of_a_plain_call(inputs: Path, path: Path) -> None:
    source = check_file(path.read_bytes(), filename=path.name, limit_bytes=2**17).source
    found = harness.run(harness.load(inputs), source, "submission.py", "unlearning", SEED)
    assert found == plain_call(inputs, source)
