"""What oracle banks cost: training on all cores against the plain loop, and loading a full bank into the scorer.

The plain loop trains one model after another by the published recipe, with as many threads as torch takes
by itself; everything is in memory for both sides. They take turns, so that a busy machine hurts both, and
the ratio is that of the medians. Run as `python -m benchmarks.oracles [--rounds 3]`.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from benchmarks.sandbox import row
from evaluator.artifacts import ArtifactStore, open_store
from evaluator.artifacts.oracles import ModelRecord, load_pool, record_key
from evaluator.artifacts.outputs import Outputs, write_outputs
from evaluator.banks.training_jobs import TrainingPool, TrainingTask, training_pool
from evaluator.contract.specification import TrainingSpec
from evaluator.metrics import Pool, margins
from evaluator.models import build_model

PUBLISHED = TrainingSpec(
    optimizer="adam",
    learning_rate=1e-4,
    weight_decay=5e-3,
    schedule="cosine",
    epochs=30,
    batch_size=64,
    class_weights=True,
)
CLASSES = 10
IMAGES = 640
EPOCHS = {"resnet-small": 4, "resnet18": 1}  # of the 30; every epoch costs the same
MODELS = 512
EXAMPLES = {"forget": 1_000, "test": 500, "retain": 500}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="turns that each side takes")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        compare_loading(Path(folder))
        visible, evaluation = bundles(Path(folder))
        for architecture, epochs in EPOCHS.items():
            recipe = PUBLISHED.model_copy(update={"epochs": epochs})
            task = TrainingTask(
                name=architecture,
                visible=visible,
                parts=("retain",),
                evaluation=evaluation,
                architecture=architecture,
                classes=CLASSES,
                recipe=recipe,
                seed=0,
                batch_size=64,
            )
            compare_training(task, arguments.rounds)


def bundles(folder: Path) -> tuple[Path, Path]:
    """Noise of the published size, split as the trainer wants it."""
    torch.manual_seed(0)
    visible: dict[str, Tensor] = {}
    evaluation: dict[str, Tensor] = {}
    parts = [(visible, "retain", IMAGES), *((evaluation, part, 64) for part in ("forget", "test", "retain_sample"))]
    for bundle, part, count in [*parts, (evaluation, "validation", 64)]:
        bundle[f"{part}.images"] = torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8)
        bundle[f"{part}.labels"] = torch.randint(0, CLASSES, (count,))
    save_file(visible, folder / "visible")
    save_file(evaluation, folder / "evaluation")
    return folder / "visible", folder / "evaluation"


def compare_training(task: TrainingTask, rounds: int) -> None:
    """Print seconds per model of both sides, taking turns, and how many times faster the bank's trainer is."""
    images = torch.randint(0, 256, (IMAGES, 3, 32, 32), dtype=torch.uint8)
    labels = torch.randint(0, CLASSES, (IMAGES,))
    plain, bank = [], []
    with training_pool() as pool:
        train_bank(pool, task, rounds=1)  # imports and first allocations
        for _ in range(rounds):
            started = time.perf_counter()
            plain_loop(images, labels, task.architecture, task.recipe)
            plain.append(time.perf_counter() - started)
            bank.append(train_bank(pool, task, rounds=1))
        jobs = pool.jobs
    row(f"{task.architecture}: plain loop, {torch.get_num_threads()} threads, a model", statistics.median(plain), "s")
    row(f"{task.architecture}: bank, {jobs} processes, a model", statistics.median(bank), "s")
    row(f"{task.architecture}: ratio", statistics.median(plain) / statistics.median(bank), "times")


def train_bank(pool: TrainingPool, task: TrainingTask, rounds: int) -> float:
    """Seconds per model when every process of the pool trains `rounds` models; outputs and checkpoints included."""
    seeds = range(rounds * pool.jobs)
    tasks = [TrainingTask(**(task.__dict__ | {"seed": seed, "name": f"model {seed}"})) for seed in seeds]
    started = time.perf_counter()
    for _ in pool.train(tasks):
        pass
    return (time.perf_counter() - started) / len(tasks)


def plain_loop(images: Tensor, labels: Tensor, architecture: str, recipe: TrainingSpec) -> None:
    """One model by the published recipe with nothing done for speed but keeping the data in memory."""
    network = build_model(architecture, CLASSES)
    counts = torch.bincount(labels, minlength=CLASSES)
    criterion = nn.CrossEntropyLoss(weight=counts.sum() / counts)
    optimizer = torch.optim.Adam(network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=recipe.epochs)
    network.train()
    for _ in range(recipe.epochs):
        for rows in torch.split(torch.randperm(len(labels)), recipe.batch_size):
            optimizer.zero_grad()
            criterion(network(images[rows].float()), labels[rows]).backward()
            optimizer.step()
        schedule.step()


def compare_loading(folder: Path) -> None:
    """Print how long the scorer takes to read a full bank and make margins of it."""
    store = open_store((folder / "store").as_uri())
    digest = "ab" * 32
    fill(store, digest)
    labels = np.random.default_rng(1).integers(0, CLASSES, EXAMPLES["forget"])
    for turn in ("first", "second"):
        started = time.perf_counter()
        stacked = load_pool(store, digest, range(MODELS))
        loaded_s = time.perf_counter() - started
        Pool(
            margins=margins(stacked.logits["forget"], labels),
            retain_accuracy=stacked.accuracy["retain"],
            test_accuracy=stacked.accuracy["test"],
            forget_accuracy=stacked.accuracy["forget"],
        )
        row(f"bank of {MODELS} × {sum(EXAMPLES.values()):,} × {CLASSES}, {turn} time: read", loaded_s, "s")
        row("with margins, as the scorer holds it", time.perf_counter() - started, "s")


def fill(store: ArtifactStore, digest: str) -> None:
    """A bank of random outputs."""
    generator = np.random.default_rng(0)
    for index in range(MODELS):
        logits = {part: generator.normal(size=(count, CLASSES)).astype(np.float32) for part, count in EXAMPLES.items()}
        accuracy = dict.fromkeys(("retain", "forget", "validation", "test"), 0.5)
        outputs = store.put_named_by_digest(
            f"banks/{digest}/outputs/{index:05d}", write_outputs(Outputs(logits, accuracy)), ".safetensors"
        )
        record = ModelRecord(index=index, seed=index, checkpoint=outputs, outputs=outputs, wall_s=1.0, processor="none")
        store.put(record_key(digest, index), record.model_dump_json().encode())


if __name__ == "__main__":
    main()
