"""Training with torch inside: it works with and without loader processes, and the weights are those of the host."""

import hashlib
import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from lethe.sandbox import Backend, Policy, Sandbox, Setup, Status, open_sandbox

pytestmark = [
    pytest.mark.component("bubblewrap"),
    pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs the extra `worker`"),
]

HARNESS = """
import random

import numpy
import torch
from safetensors.torch import load_file, save

from lethe.sandbox.guest import define


def load(inputs):
    return load_file(inputs / "data.safetensors")


def run(context, source, filename, function, seed):
    random.seed(seed)
    numpy.random.seed(seed % 2**32)
    torch.manual_seed(seed)
    return save(define(source, filename, function)(context, seed))
"""
SUBMISSION = """
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def f(context, seed):
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 4))
    loader = DataLoader(TensorDataset(context["x"], context["y"]), batch_size=32, shuffle=True, num_workers=WORKERS)
    for _ in range(2):
        for images, labels in loader:
            net.zero_grad()
            nn.functional.cross_entropy(net(images), labels).backward()
            with torch.no_grad():  # torch.optim would import for two seconds first
                for parameter in net.parameters():
                    parameter -= 0.05 * parameter.grad
    return net.state_dict()
"""
HOST = """
import sys
sys.path.insert(0, sys.argv[1])
import heavy
from pathlib import Path
sys.stdout.buffer.write(heavy.run(heavy.load(Path(sys.argv[1])), Path(sys.argv[2]).read_bytes(), "s.py", "f", 7))
"""
POLICY = Policy(wall_s=120.0, memory_bytes=1 << 30, threads=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("heavy")
    (path / "heavy.py").write_text(HARNESS, encoding="utf-8")
    generator = np.random.default_rng(0)
    images = generator.standard_normal((192, 3, 8, 8), dtype=np.float32)
    save_file({"x": images, "y": generator.integers(0, 4, 192)}, path / "data.safetensors")
    return path


@pytest.fixture(scope="module")
def setup(kept_image: None, folder: Path) -> Setup:
    inputs = {"data.safetensors": folder / "data.safetensors"}
    return Setup(harness={"heavy.py": folder / "heavy.py"}, harness_module="heavy", inputs=inputs, shared_image=True)


@pytest.fixture(scope="module")
def trained(setup: Setup) -> Iterator[Sandbox]:
    with open_sandbox(setup, POLICY) as opened:
        yield opened


def digest_of(opened: Sandbox, workers: int, seed: int = 7) -> str:
    source = SUBMISSION.replace("WORKERS", str(workers)).encode()
    result = opened.run(source, function="f", seed=seed)
    assert result.status is Status.OK, result
    assert result.payload is not None
    assert result.stderr == ""
    return hashlib.sha256(result.payload).hexdigest()


def test_same_seed_same_weights_as_on_the_host(trained: Sandbox, setup: Setup, folder: Path) -> None:
    inside = digest_of(trained, workers=0)
    assert digest_of(trained, workers=0) == inside
    assert digest_of(trained, workers=2) == inside
    assert digest_of(trained, workers=0, seed=8) != inside

    (folder / "submission.py").write_text(SUBMISSION.replace("WORKERS", "0"), encoding="utf-8")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    checkout = Path(__file__).resolve().parents[3]
    host = subprocess.run(
        [sys.executable, "-c", HOST, str(folder), str(folder / "submission.py")],
        capture_output=True,
        check=True,
        cwd=checkout,
        env={**environment, "PYTHONPATH": str(checkout)},
    )
    assert hashlib.sha256(host.stdout).hexdigest() == inside

    for backend in (Backend.FRESH, Backend.UNSAFE):
        with open_sandbox(replace(setup, backend=backend, allow_unsafe=True), POLICY) as other:
            assert digest_of(other, workers=0) == inside, backend


def test_running_out_of_memory_inside_torch(trained: Sandbox) -> None:
    source = b"import torch\ndef f(context, seed): return {'x': torch.ones(2**30)}\n"
    assert trained.run(source, function="f", seed=0).status is Status.OUT_OF_MEMORY


def test_memory_is_counted_on_top_of_the_zygote(trained: Sandbox) -> None:
    result = trained.run(b"def f(context, seed): return {}\n", function="f", seed=0)
    if result.peak_memory_bytes is None:
        pytest.skip("no memory control group here")
    assert result.peak_memory_bytes < 60 * 2**20
