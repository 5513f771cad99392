"""Keeps the sandboxes of recent competitions open, so that a submission does not wait for an import of torch."""

import json
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

from cachetools import LRUCache

from lethe.evaluator.artifacts import ArtifactStore
from lethe.evaluator.contract.specification import LimitsSpec
from lethe.evaluator.contract.work import Job
from lethe.evaluator.curve_sample import write_sample
from lethe.evaluator.dependencies import Layer
from lethe.evaluator.settings import SandboxSettings
from lethe.sandbox import Backend, Policy, Sandbox, SandboxUnavailable, Setup, open_sandbox
from lethe.sandbox.doctor import require

HARNESS_MODULE = "lethe.evaluator.guest.harness"
PRACTICE_SAMPLE = "practice-sample.safetensors"
_GUEST_PARTS = (
    "evaluator/__init__.py",
    "evaluator/contract/__init__.py",
    "evaluator/contract/networks.py",
    "evaluator/contract/notebooks.py",
    "evaluator/contract/parameters.py",
    "evaluator/contract/submission.py",
    "evaluator/data/__init__.py",
    "evaluator/data/loaders.py",
    "evaluator/errors.py",
    "evaluator/guest",
    "evaluator/models",
)
MAX_OPEN = 2
STATEMENT_SHARE = 0.1
"""The share of a run's time that a statement at module level may take before it is left out."""
CURVE_SHARE = 0.02
"""The share of a run's time limit that its curve may take at most, so that no run ends for it."""
# Notebooks of the 2023 challenge skip their own loop over runs when the first file exists and is empty; some write into
# the other folders.
KAGGLE_LINKS = {
    "/kaggle/input/neurips-2023-machine-unlearning/empty.txt": "/dev/null",
    "/kaggle/working": "/tmp",  # noqa: S108 - the guest's scratch folder
    "/kaggle/tmp": "/tmp",  # noqa: S108
}


def require_isolation(settings: SandboxSettings, *, allow_unsafe: bool) -> None:
    """Raise SandboxUnavailable when this machine cannot isolate runs as the settings say.

    Running without isolation needs both the setting and the command's option, because one alone may be a mistake.
    """
    is_unsafe = settings.sandbox_backend is Backend.UNSAFE
    if is_unsafe and not allow_unsafe:
        raise SandboxUnavailable(
            f"LETHE_SANDBOX_BACKEND={Backend.UNSAFE} lets submissions do whatever their user may: unset it, or, to "
            "develop on a machine with nothing to lose, say --allow-unsafe as well"
        )
    if allow_unsafe and not is_unsafe:
        raise SandboxUnavailable(f"--allow-unsafe does nothing without LETHE_SANDBOX_BACKEND={Backend.UNSAFE}")
    if not is_unsafe:
        require(uid=settings.sandbox_uid, shared_image=settings.shared_image)


def policy_of(limits: LimitsSpec) -> Policy:
    """The sandbox's policy for a competition's limits."""
    return Policy(
        wall_s=limits.run_wall_s,
        cpu_s=limits.run_cpu_s,
        cores=max(limits.cores, float(limits.threads)),
        memory_bytes=limits.memory_bytes,
        gpu_memory_bytes=limits.gpu_memory_bytes,
        processes=limits.processes,
        file_bytes=limits.scratch_bytes,
        scratch_bytes=limits.scratch_bytes,
        output_bytes=limits.output_bytes,
        log_bytes=limits.log_bytes,
        threads=limits.threads,
    )


def guest_files() -> dict[str, Path]:
    """The project's code in a jail: the harness, the architectures and the loaders."""
    root = Path(str(files("lethe")))
    return {f"lethe/{part}": root / part for part in _GUEST_PARTS}


@dataclass(frozen=True)
class _OpenSandbox:
    sandbox: Sandbox
    stack: ExitStack


class SandboxPool:
    """Open sandboxes by their content; the least recently used one is closed for the next.

    A jail's zygote never sees a submission's source, so one jail may serve all submissions with the same layer.
    """

    def __init__(
        self, store: ArtifactStore, cache: Path, settings: SandboxSettings, *, allow_unsafe: bool = False
    ) -> None:
        self._store = store
        self._cache = cache
        self._settings = settings
        self._allow_unsafe = allow_unsafe
        self._open: LRUCache[str, _OpenSandbox] = LRUCache(MAX_OPEN)
        self._lock = threading.Lock()

    @property
    def is_exact(self) -> bool:
        """Whether a run with the same seed gives the same weights each time; GPUs do not guarantee it."""
        return self._settings.gpu is None

    def get(self, job: Job, layer: Layer) -> Sandbox:
        """The sandbox for `job` with `layer`, opened if need be; raises SandboxUnavailable or SandboxFailure."""
        key = self._key(job, layer)
        with self._lock:
            found = self._open.get(key)
            if found is not None:
                return found.sandbox
            while len(self._open) >= MAX_OPEN:  # before the next one takes memory
                self._open.popitem()[1].stack.close()
            with ExitStack() as stack:
                sandbox = self._start(job, layer, stack)
                self._open[key] = _OpenSandbox(sandbox, stack.pop_all())
            return sandbox

    def discard(self, job: Job, layer: Layer) -> None:
        """Close the sandbox of `job` with `layer`, because it failed; the next `get` opens a new one."""
        with self._lock:
            found = self._open.pop(self._key(job, layer), None)
        if found is not None:
            found.stack.close()

    def close(self) -> None:
        """Close all."""
        with self._lock:
            while self._open:
                self._open.popitem()[1].stack.close()

    def _key(self, job: Job, layer: Layer) -> str:
        limits = job.limits.model_dump(mode="json")
        return json.dumps([job.visible.sha256, job.original.sha256, self._setting(job), limits, layer.key])

    def _setting(self, job: Job) -> str:
        return json.dumps(
            {
                "architecture": job.architecture,
                "classes": job.classes,
                "batch_size": job.batch_size,
                "device": "cpu" if self._settings.gpu is None else "cuda",
                # A fresh interpreter for each run would pay for what few of them use.
                "imports_base": self._settings.preload and self._settings.sandbox_backend is not Backend.FRESH,
                "ignores_cuda": job.ignores_cuda,
                "statement_s": job.limits.run_wall_s * STATEMENT_SHARE,
                "curve_s": job.limits.run_wall_s * CURVE_SHARE if job.is_practice else None,
            }
        )

    def _start(self, job: Job, layer: Layer, stack: ExitStack) -> Sandbox:
        stack.enter_context(layer.held())
        # Kept while the sandbox is open: the fresh backend reads its inputs for each run.
        folder = stack.enter_context(TemporaryDirectory(prefix="lethe-setting-"))
        setting = Path(folder) / "setting.json"
        setting.write_text(self._setting(job), encoding="utf-8")
        setup = Setup(
            harness=guest_files(),
            harness_module=HARNESS_MODULE,
            inputs={
                "visible.safetensors": self._store.local_path(job.visible, self._cache),
                "original.safetensors": self._store.local_path(job.original, self._cache),
                "setting.json": setting,
                **self._practice_sample(job, Path(folder)),
            },
            links=KAGGLE_LINKS,
            extra_paths=() if layer.folder is None else (layer.folder,),
            backend=self._settings.sandbox_backend,
            gpu=self._settings.gpu,
            allow_unsafe=self._allow_unsafe,
            uid=self._settings.sandbox_uid,
            gid=self._settings.sandbox_uid,
            shared_image=self._settings.shared_image,
        )
        return stack.enter_context(open_sandbox(setup, policy_of(job.limits)))

    def _practice_sample(self, job: Job, folder: Path) -> dict[str, Path]:
        """Return the file of images that curves are measured on, by its name; none where the data are hidden."""
        if not job.is_practice:
            return {}
        path = folder / PRACTICE_SAMPLE
        write_sample(self._store.local_path(job.evaluation, self._cache), path)
        return {PRACTICE_SAMPLE: path}
