"""Filling an oracle bank: trains what is missing in parallel, commits each model at once, goes on where it stopped."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from evaluator.artifacts import ArtifactConflict, ArtifactStore
from evaluator.artifacts.oracles import ModelRecord, read_record, record_key, trained_indices
from evaluator.banks.identity import BankIdentity, BankMismatch, bank_identity
from evaluator.banks.training_jobs import TrainedModel, TrainingPool, TrainingTask, training_pool
from evaluator.contract.dossier import Dossier
from evaluator.contract.specification import CompetitionSpec


@dataclass(frozen=True)
class Progress:
    """Where a stage of work stands: `done` of `total` units, of which `fresh` were done since `elapsed_s` ago."""

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


Report = Callable[[Progress], None]


def seed_bank(
    spec: CompetitionSpec,
    dossier: Dossier,
    store: ArtifactStore,
    *,
    count: int,
    jobs: int | None = None,
    progress: Report | None = None,
) -> list[ModelRecord]:
    """The records of oracles 0 … count−1, after training those that the bank lacks in `jobs` processes.

    `jobs` defaults to the number of cores. May be killed at any moment: a finished oracle stays, an unfinished one is
    trained again from its own seed, and the bank ends with the same bits. `progress` is called at the start and after
    every oracle. Raises BankMismatch when the specification or the installed torch is not what the dossier's bank was
    made with, and TrainingFailed when a training process dies or raises.
    """
    identity = bank_identity(spec, dossier.public.visible, dossier.public.evaluation)
    if identity.digest != dossier.public.bank_digest:
        made_with = dossier.environment.get("torch", "unknown")
        raise BankMismatch(
            f"the bank of '{spec.slug}' was made with torch {made_with} and the specification of its creation; now "
            f"torch is {identity.torch}: use that version and the unchanged specification, or create it anew"
        )
    with training_pool(jobs) as pool:
        return fill_banks(
            [(identity, index) for index in range(count)], store, pool, stage="oracles", progress=progress
        )


def fill_banks(
    orders: Sequence[tuple[BankIdentity, int]],
    store: ArtifactStore,
    pool: TrainingPool,
    *,
    stage: str,
    progress: Report | None = None,
) -> list[ModelRecord]:
    """The records of the ordered models (bank and index), in that order, after training those that are missing."""
    present = {bank.digest: set(trained_indices(store, bank.digest)) for bank, _ in orders}
    missing = [(bank, index) for bank, index in orders if index not in present[bank.digest]]
    started = time.monotonic()

    def report(fresh: int) -> None:
        if progress is not None:
            done = len(orders) - len(missing) + fresh
            progress(Progress(stage, done, len(orders), fresh, time.monotonic() - started))

    report(0)
    with TemporaryDirectory(prefix="lethe-bank-") as folder:
        order_of = {_task(bank, index, store, Path(folder)): (bank, index) for bank, index in missing}
        for fresh, (task, model) in enumerate(pool.train(list(order_of)), start=1):
            bank, index = order_of[task]
            _commit(store, bank.digest, index, task.seed, model)
            report(fresh)
    return [read_record(store, bank.digest, index) for bank, index in orders]


def _task(bank: BankIdentity, index: int, store: ArtifactStore, folder: Path) -> TrainingTask:
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


def _commit(store: ArtifactStore, bank_digest: str, index: int, seed: int, model: TrainedModel) -> None:
    """Checkpoint and outputs first, under names that contain their digests, then the record that makes them count.

    Two machines that train the same model may differ in the last bits: whoever writes the record first has made the
    model, and the other's files are left unused.
    """
    folder = f"banks/{bank_digest}"
    record = ModelRecord(
        index=index,
        seed=seed,
        checkpoint=store.put_named_by_digest(f"{folder}/checkpoints/{index:05d}", model.checkpoint, ".safetensors"),
        outputs=store.put_named_by_digest(f"{folder}/outputs/{index:05d}", model.outputs, ".safetensors"),
        wall_s=model.wall_s,
    )
    # A conflict means that another process or machine made this model meanwhile.
    with suppress(ArtifactConflict):
        store.put(record_key(bank_digest, index), record.model_dump_json().encode())
