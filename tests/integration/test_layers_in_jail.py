"""A submission with a script block, from its source to its check report, in a real jail with the real harness."""

import threading
from collections.abc import Iterator
from uuid import UUID

import numpy as np
import pytest
import torch
from safetensors.numpy import save
from safetensors.torch import save as save_tensors

from evaluator.artifacts import ArtifactStore, open_store
from evaluator.artifacts.store import sha256_hex
from evaluator.contract.dossier import ArtifactRef
from evaluator.contract.faults import FaultCode
from evaluator.contract.specification import DependenciesSpec, LimitsSpec
from evaluator.contract.states import Owner, Stage
from evaluator.contract.work import Job, RunOrder
from evaluator.dependencies import open_layers
from evaluator.inference.service import InferenceService
from evaluator.jails import Jails
from evaluator.models import build_model
from evaluator.pipeline import Evaluated, Station, evaluate
from evaluator.settings import IndexSettings, LayerSettings
from tests.integration.package_index import Index, open_folder

CLASSES = 4
# torch imports a package called dill, if there is one, while it is imported itself.
MEDDLER = "import builtins, os\nbuiltins.MEDDLER = os.getpid()\nVALUE = 7\n"
SUBMISSION = """
# /// script
# dependencies = ["dill", "numpy"]
# ///
import builtins
import os
import sys


def unlearning(net, retain, forget, validation):
    assert not hasattr(builtins, "MEDDLER")
    assert sys.path[-1].startswith("/sandbox/layers/")
    import dill
    assert dill.VALUE == 7
    assert hasattr(builtins, "MEDDLER")
    print("read-only:", bool(os.statvfs(dill.__file__).f_flag & os.ST_RDONLY))
    return net
"""

pytestmark = pytest.mark.component("bubblewrap")


def pictures(*parts: str) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    arrays: dict[str, np.ndarray] = {}
    for part in parts:
        arrays[f"{part}.images"] = generator.integers(0, 256, (8, 3, 32, 32), dtype=np.uint8)
        arrays[f"{part}.labels"] = np.arange(8) % CLASSES
        arrays[f"{part}.image_id"] = np.arange(8)
        arrays[f"{part}.person_id"] = np.arange(8) // 2
        arrays[f"{part}.age"] = np.linspace(1, 80, 8, dtype=np.float32)
    return arrays


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    cache = tmp_path_factory.mktemp("cache")
    store = open_store("memory://")
    torch.manual_seed(0)
    store.put("visible.safetensors", save(pictures("retain", "forget", "validation")))
    store.put("evaluation.safetensors", save(pictures("retain_sample", "forget", "validation", "test")))
    store.put("original.safetensors", save_tensors(build_model("resnet-small", CLASSES).state_dict()))
    with open_folder() as folder, InferenceService(wall_s=60) as inference:
        index = Index(folder / "index")
        index.add_wheel("dill", "1.0", {"dill/__init__.py": MEDDLER, "dill.pth": MEDDLER})
        settings = LayerSettings(layers=folder / "layers")
        layers = open_layers(settings, IndexSettings(uv_default_index=index.url))
        jails = Jails(store, cache, uid=settings.sandbox_uid)
        inference.start()
        try:
            yield Station(store=store, jails=jails, layers=layers, inference=inference, cache=cache, slots=1)
        finally:
            jails.close()


def run(
    station: Station, source: str, *, stage: Stage = Stage.CHECK, packages: tuple[str, ...] | None = None
) -> Evaluated:
    job = Job(
        work_id=UUID(int=0),
        token=1,
        lease_s=60,
        submission_id=UUID(int=1),
        generation=0,
        stage=stage,
        source=station.store.put_named_by_digest("source", source.encode(), ".py"),
        visible=ref(station.store, "visible.safetensors"),
        original=ref(station.store, "original.safetensors"),
        evaluation=ref(station.store, "evaluation.safetensors"),
        architecture="resnet-small",
        classes=CLASSES,
        batch_size=4,
        limits=LimitsSpec(),
        dependencies=DependenciesSpec(allowed=("dill", "missing-thing")),
        packages=packages,
        runs=(RunOrder(index=0, seed=1),),
    )
    return evaluate(station, job, interrupt=threading.Event(), finished=lambda _: None)


def ref(store: ArtifactStore, key: str) -> ArtifactRef:
    return ArtifactRef(key=key, sha256=sha256_hex(store.get(key)))


def test_guest_imports_what_its_block_names_and_the_zygote_does_not(station: Station) -> None:
    checked = run(station, SUBMISSION)
    assert checked.fault is None, checked
    assert checked.check is not None
    assert checked.check.packages == ("dill==1.0",)
    assert checked.check.stdout == "read-only: True\n"
    hidden = run(station, SUBMISSION, stage=Stage.RUN, packages=checked.check.packages)
    assert (len(hidden.finished), hidden.fault, hidden.check) == (1, None, None)


def test_refusal_is_the_participants_while_checking_and_the_platforms_later(station: Station) -> None:
    source = SUBMISSION.replace('"dill"', '"missing-thing"')
    checked = run(station, source)
    assert checked.fault is not None
    assert (checked.fault.code, checked.fault.owner, checked.fault.line) == (
        FaultCode.DEPENDENCY_UNKNOWN,
        Owner.PARTICIPANT,
        2,
    )
    assert "missing-thing was not found" in checked.fault.message
    assert checked.check is not None
    assert checked.check.stderr == checked.fault.message
    hidden = run(station, source, stage=Stage.RUN, packages=("missing-thing==1.0",))
    assert hidden.fault is not None
    assert (hidden.fault.code, hidden.fault.owner) == (FaultCode.PLATFORM, Owner.PLATFORM)
    not_allowed = run(station, SUBMISSION.replace('"dill"', '"requests2"'))
    assert not_allowed.fault is not None
    assert not_allowed.fault.code is FaultCode.DEPENDENCY_NOT_ALLOWED


def test_without_a_block_the_package_is_not_there(station: Station) -> None:
    checked = run(station, "import dill\n" + SUBMISSION.replace("# /// script", "#"))
    assert checked.fault is not None
    assert (checked.fault.code, checked.fault.line) == (FaultCode.IMPORT_ERROR, 1)
