"""The evaluator's own pipeline with a small network, for attacks that need torch or forge what torch would send."""

import contextlib
import threading
from pathlib import Path
from typing import Self
from uuid import uuid4

import torch
from safetensors.torch import save

from lethe.attacks.case import OK, AuthorView
from lethe.attacks.plants import Plants
from lethe.evaluator.artifacts import ArtifactStore, open_store
from lethe.evaluator.contract.prepared_competition import ArtifactRef
from lethe.evaluator.contract.specification import DependenciesSpec, LimitsSpec
from lethe.evaluator.contract.states import Owner, Stage
from lethe.evaluator.contract.work import Job, RunOrder
from lethe.evaluator.dependencies import Layer, open_layers
from lethe.evaluator.inference.service import InferenceService
from lethe.evaluator.models import build_model
from lethe.evaluator.pipeline import EvaluationResult, WorkerResources, evaluate
from lethe.evaluator.sandbox_pool import HARNESS_MODULE, SandboxPool, guest_files, policy_of
from lethe.evaluator.settings import IndexSettings, LayerSettings, SandboxSettings
from lethe.sandbox import Sandbox, SandboxFailure, Setup, open_sandbox

ARCHITECTURE, CLASSES, BATCH_SIZE, IMAGES = "resnet-small", 4, 4, 8
LIMITS = LimitsSpec(
    run_wall_s=5,
    run_cpu_s=60,
    memory_bytes=512 * 2**20,
    gpu_memory_bytes=2 * 2**30,
    scratch_bytes=32 * 2**20,
    output_bytes=8 * 2**20,
    log_bytes=4096,
    processes=24,
)
OUTPUTS_WALL_S = 20.0
NOOP = b"def unlearning(net, retain, forget, validation):\n    return net\n"


class TorchBench:
    """An evaluator's worker without a server: `call` is one evaluation of one run."""

    def __init__(self, folder: Path, plants: Plants, settings: SandboxSettings) -> None:
        self._plants, self._settings = plants, settings
        self._folder = folder / "torch"
        self._folder.mkdir()
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            inference = stack.enter_context(InferenceService(wall_s=OUTPUTS_WALL_S))
            inference.start()
            store = open_store(f"file://{self._folder / 'artifacts'}")
            self._template = self._job(store)
            sandbox_pool = _PlantedSandboxPool(store, self._folder / "cache", self._settings, self._plants, stack)
            self.resources = WorkerResources(
                store=store,
                sandbox_pool=sandbox_pool,
                layers=open_layers(LayerSettings(cache=self._folder / "cache"), IndexSettings()),
                inference=inference,
                cache=self._folder / "cache",
                slots=1,
            )
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def warm(self) -> None:
        """Open the jail."""
        self.resources.sandbox_pool.get(self._template, Layer())

    def call(self, source: bytes, stage: Stage) -> AuthorView:
        """What the author of `source` sees; raises SandboxFailure when the platform took the blame."""
        done = self.evaluate(source, stage)
        if done.fault is not None and done.fault.owner is Owner.PLATFORM:
            raise SandboxFailure(done.fault.message)
        code, line = (done.fault.code, done.fault.line) if done.fault is not None else (OK, None)
        message = done.fault.message if done.fault is not None else ""
        if done.check is None:  # any text is too much here
            return AuthorView(code, line=line, loot=message.encode())
        loot = "\n".join(text for text in done.check.stdout.splitlines() if text.startswith("LOOT"))
        texts = (message, done.check.stdout, done.check.stderr, done.check.traceback)
        return AuthorView(code, texts, line, loot.encode())

    def evaluate(self, source: bytes, stage: Stage) -> EvaluationResult:
        """One evaluation with one run."""
        ref = self.resources.store.put_named_by_digest("sources/attack", source, ".py")
        job = self._template.model_copy(update={"source": ref, "stage": stage, "submission_id": uuid4()})
        return evaluate(self.resources, job, interrupt=threading.Event(), finished=lambda _: None)

    def _job(self, store: ArtifactStore) -> Job:
        generator = torch.Generator().manual_seed(0)

        def images() -> torch.Tensor:
            return torch.randint(0, 256, (IMAGES, 3, 32, 32), dtype=torch.uint8, generator=generator)

        visible: dict[str, torch.Tensor] = {}
        evaluation: dict[str, torch.Tensor] = {}
        for part in ("retain", "forget", "validation"):
            people = torch.randint(10**17, 10**18, (IMAGES,), generator=generator)
            self._plants.secrets += [str(int(person)) for person in people]
            visible |= {
                f"{part}.images": images(),
                f"{part}.labels": torch.arange(IMAGES) % CLASSES,
                f"{part}.image_id": torch.arange(IMAGES),
                f"{part}.person_id": people,
                f"{part}.age": torch.full((IMAGES,), 30.0),
            }
        for part in ("forget", "test", "retain_sample", "validation"):
            evaluation |= {f"{part}.images": images(), f"{part}.labels": torch.arange(IMAGES) % CLASSES}
        torch.manual_seed(0)
        original = build_model(ARCHITECTURE, CLASSES).state_dict()
        return Job(
            work_id=uuid4(),
            token=1,
            lease_s=3600,
            submission_id=uuid4(),
            generation=0,
            stage=Stage.CHECK,
            source=ArtifactRef(key="none", sha256=""),
            visible=store.put("visible.safetensors", save(visible)),
            original=store.put("original.safetensors", save(original)),
            evaluation=store.put("evaluation.safetensors", save(evaluation)),
            architecture=ARCHITECTURE,
            classes=CLASSES,
            batch_size=BATCH_SIZE,
            limits=LIMITS,
            dependencies=DependenciesSpec(),
            packages=(),
            runs=(RunOrder(index=0, seed=1),),
        )


class _PlantedSandboxPool(SandboxPool):
    """One jail with the evaluator's harness, and beside its inputs the file that tells attacks where the plants are."""

    def __init__(
        self,
        store: ArtifactStore,
        cache: Path,
        settings: SandboxSettings,
        plants: Plants,
        stack: contextlib.ExitStack,
    ) -> None:
        super().__init__(store, cache, settings)
        self._plants, self._jail_stack = plants, stack
        self._sandbox: Sandbox | None = None

    def get(self, job: Job, layer: Layer) -> Sandbox:  # noqa: ARG002 - attacks name no packages
        if self._sandbox is None:
            self._sandbox = self._jail_stack.enter_context(open_sandbox(self._setup(job), policy_of(job.limits)))
        return self._sandbox

    def discard(self, job: Job, layer: Layer) -> None:
        """Do nothing, so that a broken jail is noticed."""

    def _setup(self, job: Job) -> Setup:
        setting = self._cache / "setting.json"
        self._cache.mkdir(exist_ok=True)
        setting.write_text(self._setting(job), encoding="utf-8")
        return Setup(
            harness=guest_files(),
            harness_module=HARNESS_MODULE,
            inputs={
                "visible.safetensors": self._store.local_path(job.visible, self._cache),
                "original.safetensors": self._store.local_path(job.original, self._cache),
                "setting.json": setting,
                "targets.json": self._plants.write_targets(self._cache),
            },
            backend=self._settings.sandbox_backend,
            gpu=self._settings.gpu,
            uid=self._settings.sandbox_uid,
            gid=self._settings.sandbox_uid,
            shared_image=self._settings.shared_image,
        )
