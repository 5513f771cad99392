"""Takes models that were trained elsewhere into a bank, after all of them were checked as far as that is possible."""

import math
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load

from lethe.evaluator.artifacts import ArtifactStore
from lethe.evaluator.artifacts.oracles import read_record, record_key, trained_indices
from lethe.evaluator.artifacts.outputs import LOGITS, Outputs, OutputsInvalid, read_outputs, write_outputs
from lethe.evaluator.artifacts.store import digest_of_file
from lethe.evaluator.banks.oracle_folder import FolderInvalid, GivenModel
from lethe.evaluator.banks.seeding import FIRST_ORACLES, Progress, ReportProgress, store_model
from lethe.evaluator.banks.training_jobs import KILLED, TrainedModel, TrainerKilled, processor, training_pool
from lethe.evaluator.banks.verification import TOLERANCE, relative_difference
from lethe.evaluator.contract.bank import BankIdentity
from lethe.evaluator.contract.prepared_competition import PreparedSplit
from lethe.evaluator.metrics import margins
from lethe.sandbox.scratch_folders import scratch_folder

if TYPE_CHECKING:
    from torch import Tensor, nn

ACCURACY_APART = 0.05  # of retain accuracies, beside their sampling error
DEVIATIONS = 3.0  # of sampling error that both checks allow


@dataclass(frozen=True)
class ImportTask:
    """One file to read: `checkpoint` is where its state dict is written in the form of the bank."""

    file: Path
    checkpoint: Path
    evaluation: Path
    architecture: str
    classes: int
    batch_size: int


@dataclass(frozen=True)
class ImportedModel:
    """What a file held: outputs as safetensors bytes and what computed them, or the fault for which it is refused."""

    outputs: bytes = b""
    processor: str = ""
    fault: str = ""


@dataclass(frozen=True)
class CheckedModel:
    """A file that passed every check, with its checkpoint in the form of the bank."""

    given: GivenModel
    checkpoint: Path
    imported: ImportedModel


def import_models(
    given: Sequence[GivenModel],
    bank: BankIdentity,
    split: PreparedSplit,
    store: ArtifactStore,
    *,
    most: int,
    checks_margins: bool,
    jobs: int | None,
    progress: ReportProgress,
) -> int:
    """Store the given models as the first of the bank, and return how many were new to it.

    Nothing is stored before all of them have passed all checks. They take the place of the few oracles that `create`
    trained; a model that the bank has already, seed and weights, is kept. Raises FolderInvalid, which names the file,
    and TrainerKilled when a process died.
    """
    if len(given) > most:
        raise FolderInvalid(f"{given[0].path.parent} has {len(given)} models, and the bank has room for {most}")
    with scratch_folder("lethe-import-") as folder:
        models = _compute(given, bank, store, folder, jobs, progress)
        original = read_outputs(store.get(split.original_outputs))
        evaluation = load(store.get(split.evaluation))
        outputs = [read_outputs(one.imported.outputs) for one in models]
        for one, found in zip(models, outputs, strict=True):
            require_oracle(one.given.path, found, original, evaluation, checks_margins=checks_margins)
        require_different([one.given.path for one in models], outputs, original)
        new = _new_models(models, bank, store)
        for index, model in new.items():
            store.delete([record_key(bank.digest, index)])
            trained = TrainedModel(
                checkpoint=model.checkpoint.read_bytes(),
                outputs=model.imported.outputs,
                wall_s=split.figures.retrain_wall_s,
                processor=model.imported.processor,
            )
            store_model(store, bank, index, trained, imported_seed=model.given.seed)
    return len(new)


def _compute(
    given: Sequence[GivenModel],
    bank: BankIdentity,
    store: ArtifactStore,
    folder: Path,
    jobs: int | None,
    progress: ReportProgress,
) -> list[CheckedModel]:
    started = time.monotonic()
    evaluation = store.local_path(bank.evaluation, folder)
    models = []
    with training_pool(jobs) as pool:
        tasks = [
            ImportTask(
                file=one.path.resolve(),
                checkpoint=folder / f"{place:05d}.safetensors",
                evaluation=evaluation,
                architecture=bank.architecture,
                classes=bank.classes,
                batch_size=bank.batch_size,
            )
            for place, one in enumerate(given)
        ]
        futures: list[Future[ImportedModel]] = [pool.submit(read_model, task) for task in tasks]
        for one, task, future in zip(given, tasks, futures, strict=True):
            try:
                imported = future.result()
            except BrokenProcessPool as error:
                raise TrainerKilled(KILLED) from error
            if imported.fault:
                raise FolderInvalid(f"{one.path}: {imported.fault}")
            models.append(CheckedModel(one, task.checkpoint, imported))
            progress(Progress("import", len(models), len(given), len(models), time.monotonic() - started))
    return models


def read_model(task: ImportTask) -> ImportedModel:
    """Read one file, write its state dict as a bank's checkpoint, and compute its outputs as seeding does."""
    import torch
    from safetensors.torch import save_file

    from lethe.evaluator.models import build_model
    from lethe.evaluator.training.outputs import compute_outputs

    torch.set_num_threads(1)  # the number of threads is part of the bits
    network = build_model(task.architecture, task.classes)
    try:
        state = _ordered(_read_state(task.file), network)
        network.load_state_dict(state)
        evaluation = _evaluation(task.evaluation)
        outputs = write_outputs(compute_outputs(network, evaluation, task.batch_size))
    except (FolderInvalid, OutputsInvalid) as error:
        return ImportedModel(fault=str(error))
    save_file(state, task.checkpoint)
    return ImportedModel(outputs=outputs, processor=processor())


@cache
def _evaluation(path: Path) -> "dict[str, Tensor]":
    from safetensors.torch import load_file

    return load_file(path)


def _read_state(file: Path) -> "Mapping[str, Tensor]":
    """The tensors of the file by name; nothing that a pickle holds beside tensors is executed."""
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if file.suffix == ".safetensors":
            return load_file(file)
        state = torch.load(file, map_location="cpu", weights_only=True)
    except SafetensorError as error:
        raise FolderInvalid(f"not a whole safetensors file: {error}") from error
    except Exception as error:
        # torch documents no exceptions: pickle's, zipfile's, EOFError, RuntimeError and others were seen.
        raise FolderInvalid(
            "not a whole file of tensors, or one with code, which is not executed; write it with "
            f"torch.save(network.state_dict(), file) ({type(error).__name__})"
        ) from error
    if not isinstance(state, Mapping) or not all(isinstance(one, torch.Tensor) for one in state.values()):
        raise FolderInvalid("not a state dict: write it with torch.save(network.state_dict(), file)")
    return state


def _ordered(state: "Mapping[str, Tensor]", network: "nn.Module") -> "dict[str, Tensor]":
    """The tensors in the network's order; raises FolderInvalid for another's tensors, or not finite ones."""
    wanted = network.state_dict()
    absent, strange = wanted.keys() - state.keys(), state.keys() - wanted.keys()
    if absent or strange:
        lines = [f"lacks {min(absent)}" if absent else "", f"has {min(map(str, strange))}" if strange else ""]
        raise FolderInvalid(f"not a state dict of the competition's network: it {' and '.join(filter(None, lines))}")
    for name, tensor in wanted.items():
        one = state[name]
        if (one.shape, one.dtype) != (tensor.shape, tensor.dtype) or one.is_sparse:
            raise FolderInvalid(
                f"{name} is {tuple(one.shape)} {one.dtype}, and in the competition's network "
                f"{tuple(tensor.shape)} {tensor.dtype}"
            )
        if not bool(one.isfinite().all()):
            raise FolderInvalid(f"{name} has numbers that are not finite")
    return {name: state[name].clone().contiguous() for name in wanted}


def require_oracle(
    file: Path,
    found: Outputs,
    original: Outputs,
    evaluation: Mapping[str, NDArray[np.generic]],
    *,
    checks_margins: bool,
) -> None:
    """Raise FolderInvalid, which names the file, unless the outputs can be those of an oracle.

    Its retain accuracy is like the original's: at most ACCURACY_APART and DEVIATIONS of sampling error apart. With
    `checks_margins`, for forget sets that were drawn: its margins on the forget set are not above those on the test
    set, by the share of pairs (the area under the curve) in which they are, which is 1/2 without memory; people are
    the independent units of its deviation.
    """
    labels = {part: evaluation[f"{stored}.labels"].astype(np.int64) for part, stored in _PARTS.items()}
    mean = (found.accuracy["retain"] + original.accuracy["retain"]) / 2
    allowed = ACCURACY_APART + DEVIATIONS * math.sqrt(2 * mean * (1 - mean) / len(labels["retain"]))
    if abs(found.accuracy["retain"] - original.accuracy["retain"]) > allowed:
        raise FolderInvalid(
            f"{file}: its retain accuracy is {found.accuracy['retain']:.3f} and the original's "
            f"{original.accuracy['retain']:.3f}: an oracle is trained as the original was, on the retain set alone"
        )
    if not checks_margins:
        return
    forget, test = (margins(found.logits[part][None], labels[part])[0] for part in ("forget", "test"))
    above = _share_above(forget, test)
    people = [_people(evaluation, part) for part in ("forget", "test")]
    deviation = math.sqrt((sum(people) + 1) / (12 * people[0] * people[1]))
    if above > 0.5 + DEVIATIONS * deviation:
        raise FolderInvalid(
            f"{file}: its margins on the forget set are above those on the test set in {above:.0%} of pairs: it seems "
            "to have been trained on the forget set"
        )


_PARTS = {"forget": "forget", "test": "test", "retain": "retain_sample"}


def _share_above(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    ordered = np.sort(second)
    places = np.searchsorted(ordered, first, "left") + np.searchsorted(ordered, first, "right")
    return float(places.mean() / (2 * len(ordered)))


def _people(evaluation: Mapping[str, NDArray[np.generic]], part: str) -> int:
    return len(np.unique(evaluation[f"{part}.person_id"]))


def require_different(files: Sequence[Path], outputs: Sequence[Outputs], original: Outputs) -> None:
    """Raise FolderInvalid, which names the file, if one gives the outputs of the original or of another file.

    Outputs within the tolerance of `verify` count as equal: the original may have been computed on another processor.
    """
    rows = [_row(one) for one in outputs]
    reference = _row(original)
    for place, (file, row) in enumerate(zip(files, rows, strict=True)):
        if relative_difference(row, reference) <= TOLERANCE:
            raise FolderInvalid(f"{file} is the original model, which was trained on the forget set")
        alike = (other for other in range(place) if relative_difference(row, rows[other]) <= TOLERANCE)
        twin = next((files[other] for other in alike), None)
        if twin is not None:
            raise FolderInvalid(f"{file} is the same model as {twin.name}: each oracle is trained from its own seed")


def _row(outputs: Outputs) -> NDArray[np.float32]:
    return np.concatenate([outputs.logits[part].ravel() for part in LOGITS])


def _new_models(models: Sequence[CheckedModel], bank: BankIdentity, store: ArtifactStore) -> dict[int, CheckedModel]:
    """The models that the bank does not have yet, by index; raises FolderInvalid where others were trained."""
    present = {index: read_record(store, bank.digest, index) for index in trained_indices(store, bank.digest)}
    replaceable = max(present, default=0) < FIRST_ORACLES  # then no score was computed against any of them
    new = {}
    for index, model in enumerate(models):
        record = present.get(index)
        if record is not None:
            given = (model.given.seed, digest_of_file(model.checkpoint))
            if given == (record.seed, record.checkpoint.sha256):
                continue
            if record.imported or not replaceable:
                raise FolderInvalid(
                    f"{model.given.path}: the bank already has another oracle {index}; models are imported into a bank "
                    "that nothing was seeded or imported into"
                )
        new[index] = model
    return new
