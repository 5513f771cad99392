"""What oracle banks cost: seeding on all cores against the plain loop, and loading a full bank into the scorer.

The plain loop trains one model after another by the published recipe as its code does: a DataLoader, torch's defaults
for threads, memory and Adam, on the GPU where there is one. Its photographs lie in memory, which is kinder to it than
the published reading of files. Seeding is the whole of it: training, outputs, checkpoints and records in a store on
disk. Both train the recipe's 30 epochs, on 640 photographs instead of tens of thousands, so what does not grow with
the photographs weighs more here than there. They take turns, so that a busy machine hurts both, and the ratio is that
of the medians. Run as
`python -m benchmarks.oracles [--rounds 3] [--epochs 30]`: about six minutes on two cores.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.goals import note
from benchmarks.sandbox import row
from lethe.evaluator.artifacts import ArtifactStore, open_store
from lethe.evaluator.artifacts.oracles import ModelRecord, load_pool, record_key
from lethe.evaluator.artifacts.outputs import Outputs, write_outputs
from lethe.evaluator.banks.seeding import fill_banks
from lethe.evaluator.banks.training_jobs import training_pool
from lethe.evaluator.contract.bank import BankIdentity
from lethe.evaluator.contract.prepared_competition import ArtifactRef
from lethe.evaluator.contract.specification import TrainingSpec
from lethe.evaluator.models import build_model
from lethe.evaluator.scoring.reference_set import pool_of
from lethe.evaluator.training.recipe import training_device

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
ARCHITECTURES = ("resnet-small", "resnet18")
MODELS = 512
EXAMPLES = {"forget": 1_000, "test": 500, "retain": 500}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="turns that each side takes")
    parser.add_argument("--epochs", type=int, default=PUBLISHED.epochs, help="fewer for a quick look")
    parser.add_argument("--jobs", type=int, help="training processes; default: as oracles seed has it")
    parser.add_argument("--models", type=int, help="models that each turn of seeding trains; default: one a process")
    parser.add_argument("--images", type=int, default=IMAGES, help="photographs to train on")
    parser.add_argument("--bank", type=int, default=MODELS, help="oracles of the bank that is read")
    arguments = parser.parse_args()
    recipe = PUBLISHED.model_copy(update={"epochs": arguments.epochs})
    with tempfile.TemporaryDirectory() as folder:
        store = open_store((Path(folder) / "store").as_uri())
        compare_loading(store, arguments.bank)
        visible, evaluation = bundles(store, arguments.images)
        for architecture in ARCHITECTURES:
            bank = BankIdentity(
                visible=visible,
                evaluation=evaluation,
                parts=("retain",),
                architecture=architecture,
                classes=CLASSES,
                recipe=recipe,
                batch_size=64,
                torch=torch.__version__,
            )
            compare_seeding(bank, store, arguments)


def bundles(store: ArtifactStore, images: int) -> tuple[ArtifactRef, ArtifactRef]:
    """Noise of the published size, split as the trainer wants it."""
    torch.manual_seed(0)
    visible: dict[str, Tensor] = {}
    evaluation: dict[str, Tensor] = {}
    parts = [(visible, "retain", images), *((evaluation, part, 64) for part in ("forget", "test", "retain_sample"))]
    for bundle, part, count in [*parts, (evaluation, "validation", 64)]:
        bundle[f"{part}.images"] = torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8)
        bundle[f"{part}.labels"] = torch.randint(0, CLASSES, (count,))
    return store.put("data/visible.safetensors", save(visible)), store.put(
        "data/evaluation.safetensors", save(evaluation)
    )


def compare_seeding(bank: BankIdentity, store: ArtifactStore, arguments: argparse.Namespace) -> None:
    """Print seconds per model of both sides, taking turns, and how many times faster the bank's trainer is."""
    images = torch.randint(0, 256, (arguments.images, 3, 32, 32), dtype=torch.uint8)
    labels = torch.randint(0, CLASSES, (arguments.images,))
    plain, seeded, rounds = [], [], arguments.rounds
    with training_pool(arguments.jobs) as pool:
        jobs = pool.jobs
        models = arguments.models or jobs
        one_epoch = bank.model_copy(update={"recipe": bank.recipe.model_copy(update={"epochs": 1})})
        fill_banks([(one_epoch, rounds * models + index) for index in range(jobs)], store, pool, stage="imports")
        plain_loop(images, labels, bank.architecture, one_epoch.recipe)
        for turn in range(rounds):
            started = time.perf_counter()
            plain_loop(images, labels, bank.architecture, bank.recipe)
            plain.append(time.perf_counter() - started)
            started = time.perf_counter()
            orders = [(bank, turn * models + index) for index in range(models)]
            fill_banks(orders, store, pool, stage="oracles")
            seeded.append((time.perf_counter() - started) / models)
    where = "the GPU" if torch.cuda.is_available() else f"{torch.get_num_threads()} threads"
    row(f"{bank.architecture}: plain loop on {where}, a model", statistics.median(plain), "s")
    row(f"{bank.architecture}: seeding, {jobs} processes, a model", statistics.median(seeded), "s")
    ratio = statistics.median(plain) / statistics.median(seeded)
    row(f"{bank.architecture}: ratio", ratio, "times")
    note("oracles", f"{bank.architecture}: plain loop over seeding", ratio)
    row(f"{bank.architecture}: seeding, models an hour", 3600 / statistics.median(seeded), "")


def plain_loop(images: Tensor, labels: Tensor, architecture: str, recipe: TrainingSpec) -> None:
    """One model by the published recipe with nothing done for speed but keeping the data in memory."""
    device = training_device(recipe)
    network = build_model(architecture, CLASSES).to(device)
    counts = torch.bincount(labels, minlength=CLASSES)
    criterion = nn.CrossEntropyLoss(weight=(counts.sum() / counts).to(device))
    optimizer = torch.optim.Adam(network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=recipe.epochs)
    loader = DataLoader(TensorDataset(images.float(), labels), batch_size=recipe.batch_size, shuffle=True)
    network.train()
    for _ in range(recipe.epochs):
        for inputs, targets in loader:
            optimizer.zero_grad()
            criterion(network(inputs.to(device)), targets.to(device)).backward()
            optimizer.step()
        schedule.step()
    if device.type == "cuda":
        torch.cuda.synchronize()


def compare_loading(store: ArtifactStore, models: int) -> None:
    """Print how long the scorer takes to read a full bank and make margins of it."""
    digest = "ab" * 32
    fill(store, digest, models)
    labels = np.random.default_rng(1).integers(0, CLASSES, EXAMPLES["forget"])
    for turn in ("first", "second"):
        started = time.perf_counter()
        stacked = load_pool(store, digest, range(models))
        loaded_s = time.perf_counter() - started
        pool_of(stacked, labels)
        row(f"bank of {models} × {sum(EXAMPLES.values()):,} × {CLASSES}, {turn} time: read", loaded_s, "s")
        row("with margins, as the scorer holds it", time.perf_counter() - started, "s")


def fill(store: ArtifactStore, digest: str, models: int) -> None:
    """A bank of random outputs."""
    generator = np.random.default_rng(0)
    for index in range(models):
        logits = {part: generator.normal(size=(count, CLASSES)).astype(np.float32) for part, count in EXAMPLES.items()}
        accuracy = dict.fromkeys(("retain", "forget", "validation", "test"), 0.5)
        outputs = store.put_named_by_digest(
            f"banks/{digest}/outputs/{index:05d}", write_outputs(Outputs(logits, accuracy)), ".safetensors"
        )
        record = ModelRecord(index=index, seed=index, checkpoint=outputs, outputs=outputs, wall_s=1.0, processor="none")
        store.put(record_key(digest, index), record.model_dump_json().encode())


if __name__ == "__main__":
    main()
