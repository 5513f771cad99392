"""A pool of processes that train one model after another, each on one thread; torch is imported once for all."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context, parent_process
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING

from evaluator.contract.specification import TrainingSpec

if TYPE_CHECKING:
    from torch import Tensor


# The first optimizer of a process imports torch._dynamo, which takes another second or two.
PRELOAD = ["torch", "torch._dynamo", "safetensors.torch", "pydantic"]


class TrainingFailed(RuntimeError):
    """A training process died or raised; what is committed stays, and the same command continues from there."""


@dataclass(frozen=True)
class TrainingTask:
    """One model to train: on these parts of the visible bundle, from this seed. Paths are local, verified files."""

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
    """A finished task: the state dict and the outputs, both as safetensors bytes."""

    checkpoint: bytes
    outputs: bytes
    wall_s: float


class TrainingPool:
    """Trains tasks in `jobs` processes; results come in the order in which they finish."""

    def __init__(self, executor: ProcessPoolExecutor) -> None:
        self._executor = executor

    def train(self, tasks: list[TrainingTask]) -> Iterator[tuple[TrainingTask, TrainedModel]]:
        """Each task with its model. Raises TrainingFailed when a process dies or raises; the rest is then cancelled."""
        futures: dict[Future[TrainedModel], TrainingTask] = {}
        try:
            for task in tasks:
                futures[self._executor.submit(run_task, task)] = task
            for future in as_completed(futures):
                task = futures.pop(future)
                error = future.exception()
                if isinstance(error, BrokenProcessPool):
                    raise TrainingFailed(
                        "a training process was killed from outside, perhaps for lack of memory; finished models are "
                        "kept: run the command again, with fewer jobs if memory was short"
                    ) from error
                if error is not None:
                    raise TrainingFailed(f"training {task.name} failed: {error}") from error
                yield task, future.result()
        finally:
            for future in futures:
                future.cancel()


@contextmanager
def training_pool(jobs: int | None = None) -> Iterator[TrainingPool]:
    """A pool of `jobs` processes (default: one per core that this process may use), closed at the end of the block.

    They are forks of a server process that has imported torch and done nothing with it, so the caller may have threads
    and may have used torch, and a second pool starts at once. All of them end themselves when the caller is killed.
    Raises ValueError when jobs is below 1.
    """
    workers = len(os.sched_getaffinity(0)) if jobs is None else jobs
    if workers < 1:
        raise ValueError(f"jobs must be at least 1, not {workers}")
    context = get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    executor = ProcessPoolExecutor(workers, mp_context=context, initializer=_start_process)
    try:
        yield TrainingPool(executor)
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def run_task(task: TrainingTask) -> TrainedModel:
    """The trained model of one task; runs in a process of the pool, or anywhere else with the same result."""
    import torch
    from safetensors.torch import save

    from evaluator.artifacts.outputs import write_outputs
    from evaluator.training.outputs import compute_outputs
    from evaluator.training.recipe import train, training_device

    torch.set_num_threads(1)  # the number of threads is part of the bits
    visible = _tensors(task.visible)
    started = time.perf_counter()
    network = train(
        torch.cat([visible[f"{part}.images"] for part in task.parts]),
        torch.cat([visible[f"{part}.labels"] for part in task.parts]),
        architecture=task.architecture,
        classes=task.classes,
        recipe=task.recipe,
        seed=task.seed,
        device=training_device(task.recipe, share=os.getpid()),
    )
    wall_s = time.perf_counter() - started
    outputs = write_outputs(compute_outputs(network, _tensors(task.evaluation), task.batch_size))
    checkpoint = save({name: tensor.contiguous() for name, tensor in network.state_dict().items()})
    return TrainedModel(checkpoint=bytes(checkpoint), outputs=outputs, wall_s=wall_s)


def _start_process() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C reaches the whole group; only the caller should speak of it
    parent = parent_process()
    if parent is not None:
        # A pool's processes wait on a pipe that they hold open themselves: without this they outlive a killed caller.
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)


@cache
def _tensors(path: Path) -> "dict[str, Tensor]":
    from safetensors.torch import load_file

    return load_file(path)
