"""On a machine with an NVIDIA GPU, asked for with `pytest -m gpu`: CUDA in the jail, attacks on it, training on it."""

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest
import torch

from lethe.attacks.attack_bench import AttackBench
from lethe.attacks.case import Case, load_cases
from lethe.attacks.runner import AttackFinding, run_case
from lethe.evaluator.artifacts.outputs import read_outputs
from lethe.evaluator.contract.specification import TrainingSpec
from lethe.evaluator.contract.states import Stage
from lethe.evaluator.pipeline import WorkerResources
from lethe.evaluator.training.recipe import train, training_device
from lethe.sandbox import Backend
from tests.integration.evaluation.worker_resources import open_station, run

BASELINES = sorted(path for path in Path(str(files("lethe.baselines"))).glob("[a-z]*.py"))
BACKENDS = (Backend.ZYGOTE, Backend.FRESH)

pytestmark = [pytest.mark.gpu, pytest.mark.component("bubblewrap", "gpu"), pytest.mark.timeout(120)]

SEES_ONE_GPU = b"""
import torch


def unlearning(net, retain, forget, validation):
    print(torch.cuda.device_count(), next(net.parameters()).device)
    return net
"""


@pytest.fixture(scope="module", params=BACKENDS)
def bench(request: pytest.FixtureRequest) -> Iterator[AttackBench]:
    with AttackBench(backend=request.param, gpu=0) as opened:
        yield opened


def test_a_run_sees_one_gpu(bench: AttackBench) -> None:
    done = bench.torch.evaluate(SEES_ONE_GPU, Stage.CHECK)
    assert done.fault is None, done.fault
    assert done.check is not None
    assert done.check.stdout == "1 cuda:0\n"


@pytest.mark.parametrize("case", [case for case in load_cases() if case.gpu], ids=lambda case: case.name)
def test_attacks_on_gpus_are_contained(bench: AttackBench, case: Case) -> None:
    verdict = run_case(case, bench)
    assert verdict.finding is AttackFinding.CONTAINED, (verdict.seen, verdict.reason)


@pytest.fixture(scope="module")
def resources(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerResources]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LETHE_GPU", "0")
        with open_station(tmp_path_factory.mktemp("cache"), tmp_path_factory.mktemp("layers")) as opened:
            yield opened


@pytest.mark.parametrize("path", BASELINES, ids=lambda path: path.stem)
def test_baselines_run_on_a_gpu(resources: WorkerResources, path: Path) -> None:
    done = run(resources, path.read_bytes())
    assert done.fault is None, f"{done.fault}\n{done.check and done.check.traceback}"
    assert done.check_outputs is not None
    assert read_outputs(done.check_outputs).finite


@pytest.mark.parametrize("precision", ["float32", "tf32", "bf16"])
def test_training(precision: str) -> None:
    """A network learns by renewal which of two kinds of noise an image is."""
    recipe = TrainingSpec(epochs=12, learning_rate=1e-3, batch_size=32, precision=precision)
    labels = torch.arange(256) % 2
    images = torch.randint(0, 128, (256, 3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    images[labels == 1] += 127
    device = training_device(recipe)
    assert device.type == "cuda"
    network = train(images, labels, architecture="resnet-small", classes=2, recipe=recipe, seed=1, device=device)
    with torch.no_grad():
        found = network(images.float()).argmax(dim=1)
    assert (found == labels).float().mean() > 0.95
