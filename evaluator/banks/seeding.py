"""Trains the missing models of a bank: turns each into a task, and stores its result in the bank."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lethe.evaluator.artifacts import ArtifactConflict, ArtifactStore
from lethe.evaluator.artifacts.oracles import ModelRecord, identity_key, read_record, record_key, trained_indices
from lethe.evaluator.banks.training_jobs import TrainedModel, TrainingPool, TrainingTask
from lethe.evaluator.contract.bank import BankIdentity
from lethe.sandbox.scratch_folders import scratch_folder

FIRST_ORACLES = 2  # of each bank, which preparing a competition trains
SCRATCH = "lethe-training-"
"""What the names of folders begin with in which the data of a bank lie while it is trained.

Not what older versions called theirs: those have no lock, and would be taken for ones that killed processes left.
"""


@dataclass(frozen=True)
class Progress:
    """The progress of a stage: `done` of `total` units, of which `fresh` were done in the last `elapsed_s`."""

    stage: str
    done: int
    total: int
    fresh: int
    elapsed_s: float

    @property
    def models_per_hour(self) -> float | None:
        """Units per hour in this session; None before the first."""
        return 3600 * self.fresh / self.elapsed_s if self.fresh and self.elapsed_s > 0 else None

    @property
    def eta_s(self) -> float | None:
        """Seconds until the stage is done at this session's speed; None before the first unit."""
        rate = self.models_per_hour
        return None if rate is None else 3600 * (self.total - self.done) / rate


ReportProgress = Callable[[Progress], None]


def fill_banks(
    orders: Sequence[tuple[BankIdentity, int]],
    store: ArtifactStore,
    pool: TrainingPool,
    *,
    stage: str,
    progress: ReportProgress | None = None,
) -> list[ModelRecord]:
    """Train the ordered models (bank and index) that are missing, and return the records of all in that order.

    May be killed at any moment: a finished model stays, an unfinished one is trained again from its own seed, and the
    bank ends with the same bits. `progress` is called at the start and after every model. Trainers elsewhere are not
    coordinated: two at once may train a model twice, and the first result counts. Raises TrainingFailed when a training
    process dies or raises.
    """
    for bank in {bank.digest: bank for bank, _ in orders}.values():
        store_identity(store, bank)
    present = {bank.digest: set(trained_indices(store, bank.digest)) for bank, _ in orders}
    missing = [(bank, index) for bank, index in orders if index not in present[bank.digest]]
    started = time.monotonic()

    def report(fresh: int) -> None:
        if progress is not None:
            done = len(orders) - len(missing) + fresh
            progress(Progress(stage, done, len(orders), fresh, time.monotonic() - started))

    report(0)
    with scratch_folder(SCRATCH) as folder:
        order_of = {training_task(bank, index, store, folder): (bank, index) for bank, index in missing}
        for fresh, (task, model) in enumerate(pool.train(list(order_of)), start=1):
            store_model(store, *order_of[task], model)
            report(fresh)
    return [read_record(store, bank.digest, index) for bank, index in orders]


def store_identity(store: ArtifactStore, bank: BankIdentity) -> None:
    """Store the bank's identity, beside its models."""
    store.put(identity_key(bank.digest), bank.model_dump_json().encode())


def training_task(bank: BankIdentity, index: int, store: ArtifactStore, folder: Path) -> TrainingTask:
    """The task that trains model `index` of the bank, with its data in `folder`. Raises as `ArtifactStore.get` does."""
    return TrainingTask(
        name=f"model {index} of bank {bank.digest[:12]}",
        visible=store.local_path(bank.visible, folder),
        parts=bank.parts,
        evaluation=store.local_path(bank.evaluation, folder),
        architecture=bank.architecture,
        classes=bank.classes,
        recipe=bank.recipe,
        seed=bank.training_seed(index),
        batch_size=bank.batch_size,
    )


def store_model(
    store: ArtifactStore, bank: BankIdentity, index: int, model: TrainedModel, *, imported_seed: int | None = None
) -> None:
    """Store checkpoint and outputs under names that contain their digests, then the record that makes them count.

    Two machines that train the same model may differ in the last bits: the first record counts, and the other
    machine's files stay unused. `imported_seed` is the seed of a model that was trained elsewhere.
    """
    folder = f"banks/{bank.digest}"
    record = ModelRecord(
        index=index,
        seed=bank.training_seed(index) if imported_seed is None else imported_seed,
        checkpoint=store.put_named_by_digest(f"{folder}/checkpoints/{index:05d}", model.checkpoint, ".safetensors"),
        outputs=store.put_named_by_digest(f"{folder}/outputs/{index:05d}", model.outputs, ".safetensors"),
        wall_s=model.wall_s,
        processor=model.processor,
        imported=imported_seed is not None,
    )
    # A conflict means that another process or machine trained this model meanwhile.
    with suppress(ArtifactConflict):
        store.put(record_key(bank.digest, index), record.model_dump_json().encode())
