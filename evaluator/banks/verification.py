"""Verifies a bank: its artifacts match their records, and its checkpoints still give its outputs."""

import time
from collections.abc import Collection, Iterator
from concurrent.futures import as_completed
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lethe.evaluator.artifacts import ArtifactCorrupt, ArtifactMissing, ArtifactStore, StoredArtifact
from lethe.evaluator.artifacts.oracles import ModelRecord, pruned_key, read_record, trained_indices
from lethe.evaluator.artifacts.outputs import LOGITS, read_outputs
from lethe.evaluator.banks.seeding import Progress, ReportProgress
from lethe.evaluator.banks.training_jobs import OutputsTask, recompute_outputs, training_pool
from lethe.evaluator.contract.bank import BankIdentity
from lethe.sandbox.scratch_folders import scratch_folder

TOLERANCE = 1e-3  # of logits, relative to the largest, when another processor computes them


@dataclass
class Verification:
    """The findings. `damaged` and `different` describe errors; the bank is sound when both are empty.

    `models` were checked by digest; the checkpoints of `pruned` of them were deleted. Of the sample, `identical` gave
    the stored outputs bit for bit and `close` within the tolerance, because another processor had computed them.
    """

    models: int = 0
    pruned: int = 0
    identical: int = 0
    close: int = 0
    damaged: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        return not self.damaged and not self.different


def verify_bank(
    bank: BankIdentity, store: ArtifactStore, *, sample: int, jobs: int | None, progress: ReportProgress
) -> Verification:
    """Check the digests of all records' artifacts, and recompute and compare the outputs of `sample` models.

    The sample is spread evenly over the models that have a checkpoint. `progress` is called with the stages `digests`
    and `outputs`. Raises ArtifactMissing when the bundles are gone, and TrainingFailed when a process dies.
    """
    found = Verification()
    indices = trained_indices(store, bank.digest)
    records = list(_undamaged_records(bank, store, indices, found, progress))
    if records and sample:
        places = np.unique(np.linspace(0, len(records) - 1, min(sample, len(records))).round().astype(int))
        _recompute(bank, store, [records[place] for place in places], jobs, found, progress)
    return found


def prunable_checkpoints(bank_digest: str, store: ArtifactStore, kept: Collection[int]) -> list[StoredArtifact]:
    """The checkpoints of all models but those of index in `kept`, with which audits compare."""
    listed = store.entries(f"banks/{bank_digest}/checkpoints")
    return [artifact for artifact in listed if int(artifact.key.rsplit("/", 1)[1].partition("-")[0]) not in kept]


def prune_bank(bank_digest: str, store: ArtifactStore, kept: Collection[int] = ()) -> int:
    """Delete the checkpoints that `prunable_checkpoints` lists and return their number; outputs, which scores need,
    stay. May be killed and repeated.
    """
    keys = [artifact.key for artifact in prunable_checkpoints(bank_digest, store, kept)]
    store.put(pruned_key(bank_digest), b"")
    store.delete(keys)
    return len(keys)


def _undamaged_records(
    bank: BankIdentity, store: ArtifactStore, indices: list[int], found: Verification, progress: ReportProgress
) -> Iterator[ModelRecord]:
    """The records of undamaged models that have a checkpoint."""
    is_pruned = store.exists(pruned_key(bank.digest))
    started = time.monotonic()
    for index in indices:
        record = read_record(store, bank.digest, index)
        complete = record.index == index and (record.imported or record.seed == bank.training_seed(index))
        if not complete:
            found.damaged.append(f"the record of model {index} is of another model")
        for ref in (record.outputs, record.checkpoint):
            try:
                store.get(ref)
            except ArtifactMissing as error:
                complete = False
                if ref == record.checkpoint and is_pruned:
                    found.pruned += 1
                else:
                    found.damaged.append(str(error))
            except ArtifactCorrupt as error:
                complete = False
                found.damaged.append(str(error))
        found.models += 1
        progress(Progress("digests", found.models, len(indices), found.models, time.monotonic() - started))
        if complete:
            yield record


def _recompute(
    bank: BankIdentity,
    store: ArtifactStore,
    records: list[ModelRecord],
    jobs: int | None,
    found: Verification,
    progress: ReportProgress,
) -> None:
    started = time.monotonic()
    with scratch_folder("lethe-verification-") as folder, training_pool(jobs) as pool:
        evaluation = store.local_path(bank.evaluation, folder)
        futures = {}
        for record in records:
            task = OutputsTask(
                checkpoint=store.local_path(record.checkpoint, folder),
                evaluation=evaluation,
                architecture=bank.architecture,
                classes=bank.classes,
                batch_size=bank.batch_size,
            )
            futures[pool.submit(recompute_outputs, task)] = record
        for done, future in enumerate(as_completed(futures), start=1):
            _compare(futures[future], store, *future.result(), found)
            progress(Progress("outputs", done, len(records), done, time.monotonic() - started))


def relative_difference(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Return by how much logits differ at most, relative to the largest of the first, or to 1 if that is smaller."""
    return float(np.abs(first - second).max() / max(1, np.abs(first).max()))


def _compare(record: ModelRecord, store: ArtifactStore, again: bytes, processor: str, found: Verification) -> None:
    stored = store.get(record.outputs)
    if again == stored:
        found.identical += 1
        return
    first, second = read_outputs(stored).logits, read_outputs(again).logits
    if any(first[part].shape != second[part].shape for part in LOGITS):
        found.different.append(f"model {record.index}: its outputs are of other data")
        return
    apart = max(relative_difference(first[part], second[part]) for part in LOGITS)
    if record.processor != processor and apart <= TOLERANCE:
        found.close += 1
        return
    where = "on the same processor" if record.processor == processor else f"on {processor}, not {record.processor}"
    found.different.append(f"model {record.index}: logits differ by {apart:.1e} of the largest, computed {where}")
