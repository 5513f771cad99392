"""A pool of processes that train one model after another, each on one thread; torch is imported once for all."""

import os
import platform
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context, parent_process, resource_tracker
from multiprocessing.forkserver import ensure_running
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from lethe.evaluator.child_environment import child_environment_only
from lethe.evaluator.contract.specification import TrainingSpec
from lethe.evaluator.errors import EvaluatorError
from lethe.evaluator.gpus import find_gpus
from lethe.evaluator.guest.malloc import keep_freed_memory

if TYPE_CHECKING:
    from torch import Tensor


# The first optimizer of a process imports torch._dynamo, which takes another second or two.
PRELOAD = ["torch", "torch._dynamo", "safetensors.torch", "pydantic"]


MODELS_PER_GPU = 8  # 4, 8, 12, 16 on an H100: 3,080, 3,740, 3,980, 3,970 models of ResNet-18 an hour

KILLED = (
    "a training process was killed from outside, perhaps for lack of memory: run the command again, with fewer jobs if "
    "memory was short"
)

A = TypeVar("A")
R = TypeVar("R")


class TrainingFailed(EvaluatorError):
    """A training process died or raised; stored models stay, and the same command continues from there."""


class TrainerKilled(TrainingFailed):
    """A training process died, and with it the whole pool; another pool may succeed."""


@dataclass(frozen=True)
class TrainingTask:
    """One model to train, on these parts of the visible bundle and from this seed. Paths are local, verified files."""

    name: str
    visible: Path
    parts: tuple[str, ...]
    evaluation: Path
    architecture: str
    classes: int
    recipe: TrainingSpec
    seed: int
    batch_size: int


@dataclass(frozen=True)
class TrainedModel:
    """A finished task: state dict and outputs, both as safetensors bytes, and what computed the outputs."""

    checkpoint: bytes
    outputs: bytes
    wall_s: float
    processor: str


class TrainingPool:
    """`jobs` processes with torch loaded, for training and other work that needs the bits of one thread."""

    def __init__(self, executor: ProcessPoolExecutor, jobs: int) -> None:
        self.jobs = jobs
        self._executor = executor
        self._has_server = False

    def submit(self, function: Callable[[A], R], argument: A) -> Future[R]:
        """Run `function`, a module-level function, in one of the processes and return its future.

        Raises TrainerKilled when a process of the pool has died.
        """
        if not self._has_server:
            _start_fork_server()
            self._has_server = True
        try:
            return self._executor.submit(function, argument)
        except BrokenProcessPool as error:
            raise TrainerKilled(KILLED) from error

    def train(self, tasks: list[TrainingTask]) -> Iterator[tuple[TrainingTask, TrainedModel]]:
        """Each task with its model, in the order of finishing. Raises TrainingFailed when a process dies or raises."""
        futures = {self.submit(train_model, task): task for task in tasks}
        for future in as_completed(futures):
            task = futures.pop(future)  # a result is tens of megabytes
            yield task, result_of(future, task.name)


def result_of(future: "Future[TrainedModel]", name: str) -> TrainedModel:
    """The finished model called `name`; raises TrainerKilled when its process died, TrainingFailed when it raised."""
    error = future.exception()
    if isinstance(error, BrokenProcessPool):
        raise TrainerKilled(KILLED) from error
    if error is not None:
        raise TrainingFailed(f"training {name} failed: {error}") from error
    return future.result()


def default_jobs() -> int:
    """One process per core that this process may use; on a machine with GPUs at most MODELS_PER_GPU for each."""
    cores = len(os.sched_getaffinity(0))
    gpus = len(find_gpus())
    return min(cores, gpus * MODELS_PER_GPU) if gpus else cores


@contextmanager
def training_pool(jobs: int | None = None) -> Iterator[TrainingPool]:
    """A pool of `jobs` processes (default: see `default_jobs`), ended with the block.

    Nothing is started before the first task.

    They are forks of a server process that has imported torch and done nothing with it, so the caller may have threads
    and may have used torch, and a second pool starts at once. All of them end themselves when the caller is killed.
    Raises ValueError when jobs is below 1, TrainingFailed in a working folder that they could not enter.
    """
    workers = default_jobs() if jobs is None else jobs
    if workers < 1:
        raise ValueError(f"jobs must be at least 1, not {workers}")
    if not os.access(".", os.X_OK):  # as after `runuser` in a folder of root; the processes enter it
        raise TrainingFailed(f"this user may not enter the working folder {Path.cwd()}: change to another, such as /")
    context = get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    executor = ProcessPoolExecutor(workers, mp_context=context, initializer=_start_process)
    try:
        yield TrainingPool(executor, workers)
    finally:
        # Unfinished models are trained again later, each from its own seed.
        for process in list((executor._processes or {}).values()):
            process.kill()
        executor.shutdown(wait=True, cancel_futures=True)


def train_model(task: TrainingTask) -> TrainedModel:
    """Train the model of one task; runs in a process of the pool, or anywhere else with the same result."""
    import torch
    from safetensors.torch import save

    from lethe.evaluator.artifacts.outputs import write_outputs
    from lethe.evaluator.training.outputs import compute_outputs
    from lethe.evaluator.training.recipe import train, training_device

    torch.set_num_threads(1)  # the number of threads is part of the bits
    visible = _tensors(task.visible)
    weighed = ("retain", "forget") if task.recipe.class_weights == "retain-and-forget" else task.parts
    started = time.perf_counter()
    network = train(
        torch.cat([visible[f"{part}.images"] for part in task.parts]),
        torch.cat([visible[f"{part}.labels"] for part in task.parts]),
        architecture=task.architecture,
        classes=task.classes,
        recipe=task.recipe,
        seed=task.seed,
        device=training_device(task.recipe, share=os.getpid()),
        weighed=torch.cat([visible[f"{part}.labels"] for part in weighed]),
    )
    wall_s = time.perf_counter() - started
    outputs = write_outputs(compute_outputs(network, _tensors(task.evaluation), task.batch_size))
    checkpoint = save({name: tensor.contiguous() for name, tensor in network.state_dict().items()})
    return TrainedModel(checkpoint=bytes(checkpoint), outputs=outputs, wall_s=wall_s, processor=processor())


@dataclass(frozen=True)
class OutputsTask:
    """Outputs to compute again, from a verified copy of a checkpoint, with the properties of its bank."""

    checkpoint: Path
    evaluation: Path
    architecture: str
    classes: int
    batch_size: int


def recompute_outputs(task: OutputsTask) -> tuple[bytes, str]:
    """The outputs as safetensors bytes, and `processor()`. Raises RuntimeError when the checkpoint does not fit."""
    import torch
    from safetensors.torch import load_file

    from lethe.evaluator.artifacts.outputs import write_outputs
    from lethe.evaluator.models import build_model
    from lethe.evaluator.training.outputs import compute_outputs

    torch.set_num_threads(1)
    network = build_model(task.architecture, task.classes)
    network.load_state_dict(load_file(task.checkpoint))
    return write_outputs(compute_outputs(network, _tensors(task.evaluation), task.batch_size)), processor()


def processor() -> str:
    """The processor's model and the instructions in use: the bits of outputs depend on them beside the software."""
    import torch

    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{models[0] if models else platform.machine()}, {torch.backends.cpu.get_cpu_capability()}"


def _start_fork_server() -> None:
    """Start the server process that trainers are forked from; like them it ignores Ctrl-C, unlike the caller, and it
    has none of the caller's credentials in its environment: a host's module is executed there.
    """
    resource_tracker.ensure_running()  # it unblocks Ctrl-C
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        with child_environment_only():
            ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start_process() -> None:
    os.dup2(2, 1)  # what a host's module prints is no output of the command
    keep_freed_memory()
    parent = parent_process()
    if parent is not None:
        # A pool's processes wait on a pipe that they hold open themselves: without this they outlive a killed caller.
        threading.Thread(target=_exit_after, args=(parent,), daemon=True).start()


def _exit_after(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)


@cache
def _tensors(path: Path) -> "dict[str, Tensor]":
    from safetensors.torch import load_file

    return load_file(path)
