"""A resources with small data in a memory store: everything that an evaluation needs but the server."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import numpy as np
import torch
from safetensors.numpy import save
from safetensors.torch import save as save_tensors

from lethe.evaluator.artifacts import ArtifactStore, open_store
from lethe.evaluator.artifacts.store import sha256_hex
from lethe.evaluator.contract.audits import AuditPlan
from lethe.evaluator.contract.prepared_competition import ArtifactRef
from lethe.evaluator.contract.specification import DependenciesSpec, LimitsSpec
from lethe.evaluator.contract.states import Stage
from lethe.evaluator.contract.work import Job, PracticeScoring, RunOrder, RunRecord
from lethe.evaluator.dependencies import open_layers
from lethe.evaluator.inference.service import InferenceService
from lethe.evaluator.models import build_model
from lethe.evaluator.pipeline import EvaluationResult, WorkerResources, evaluate
from lethe.evaluator.sandbox_pool import SandboxPool
from lethe.evaluator.settings import IndexSettings, LayerSettings

CLASSES = 4


def pictures(sizes: dict[str, int]) -> dict[str, np.ndarray]:
    """A bundle of noise with `sizes` images by part."""
    generator = np.random.default_rng(0)
    arrays: dict[str, np.ndarray] = {}
    for part, count in sizes.items():
        arrays[f"{part}.images"] = generator.integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)
        arrays[f"{part}.labels"] = np.arange(count) % CLASSES
        arrays[f"{part}.image_id"] = np.arange(count)
        arrays[f"{part}.person_id"] = np.arange(count) // 2
        arrays[f"{part}.age"] = np.linspace(1, 80, count, dtype=np.float32)
    return arrays


@contextmanager
def open_station(cache: Path, layers: Path, *, index: str | None = None) -> Iterator[WorkerResources]:
    """A resources on a memory store with 20 retain, 8 forget and 8 validation images of 4 classes; one slot."""
    store = open_store("memory://")
    torch.manual_seed(0)
    store.put("visible.safetensors", save(pictures({"retain": 20, "forget": 8, "validation": 8})))
    evaluation = pictures({"retain_sample": 8, "forget": 8, "validation": 8, "test": 8})
    store.put("evaluation.safetensors", save(evaluation))
    store.put("original.safetensors", save_tensors(build_model("resnet-small", CLASSES).state_dict()))
    settings = LayerSettings(layers=layers)
    with InferenceService(wall_s=60) as inference:
        sandbox_pool = SandboxPool(store, cache, settings)
        opened = open_layers(settings, IndexSettings(uv_default_index=index))
        inference.start()
        try:
            yield WorkerResources(
                store=store, sandbox_pool=sandbox_pool, layers=opened, inference=inference, cache=cache, slots=1
            )
        finally:
            sandbox_pool.close()


def run(
    resources: WorkerResources,
    source: str | bytes,
    *,
    stage: Stage = Stage.CHECK,
    packages: tuple[str, ...] | None = None,
    allowed: tuple[str, ...] = (),
    seeds: tuple[int, ...] = (1,),
    limits: LimitsSpec | None = None,
    token: int = 1,
    leaves_out: bool = False,
    is_practice: bool = False,
    audit: AuditPlan | None = None,
    practice_score: PracticeScoring | None = None,
    architecture: str = "resnet-small",
    finished: Callable[[RunRecord], None] = lambda _: None,
    interrupt: threading.Event | None = None,
) -> EvaluationResult:
    """How the evaluation of `source` went, one run for each of `seeds`; hidden runs are stored once a `token`.

    Of another architecture than the station's the original is stored here.
    """
    original = "original.safetensors"
    if architecture != "resnet-small":
        original = f"original-{sha256_hex(architecture.encode())}.safetensors"
        torch.manual_seed(0)
        resources.store.put(original, save_tensors(build_model(architecture, CLASSES).state_dict()))
    data = source.encode() if isinstance(source, str) else source
    job = Job(
        work_id=UUID(int=0),
        token=token,
        lease_s=60,
        submission_id=UUID(int=1),
        generation=0,
        stage=stage,
        leaves_out=leaves_out,
        is_practice=is_practice,
        source=resources.store.put_named_by_digest("source", data, ".py"),
        visible=ref_to(resources.store, "visible.safetensors"),
        original=ref_to(resources.store, original),
        evaluation=ref_to(resources.store, "evaluation.safetensors"),
        architecture=architecture,
        classes=CLASSES,
        batch_size=4,
        limits=limits or LimitsSpec(),
        dependencies=DependenciesSpec(allowed=allowed),
        packages=packages,
        runs=tuple(RunOrder(index=index, seed=seed) for index, seed in enumerate(seeds)),
        audit=audit,
        practice_score=practice_score,
    )
    return evaluate(resources, job, interrupt=interrupt or threading.Event(), finished=finished)


def ref_to(store: ArtifactStore, key: str) -> ArtifactRef:
    return ArtifactRef(key=key, sha256=sha256_hex(store.get(key)))
