"""Where the outputs of a submission's runs lie: one file per run until the score commits, one pack from then on."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from lethe.evaluator.artifacts import ArtifactCorrupt, ArtifactError, ArtifactMissing, ArtifactStore
from lethe.evaluator.artifacts.outputs import (
    Outputs,
    OutputsInvalid,
    StackedOutputs,
    pack_arrays,
    read_arrays,
    read_outputs,
    read_pack,
    stack_outputs,
    write_pack,
)
from lethe.evaluator.contract.prepared_competition import ArtifactRef
from lethe.server.database import counters
from lethe.server.logs import get_logger
from lethe.server.models import OutputPack, Submission, WorkItem
from lethe.server.scoring.queries import find_pack, run_items

log = get_logger(__name__)


class RunsUnusable(Exception):
    """The stored outputs of these runs are missing or not what was stored; the runs have to be repeated."""

    def __init__(self, reasons: dict[int, str]) -> None:
        super().__init__(f"{len(reasons)} runs are unusable, e.g. run {min(reasons)}: {reasons[min(reasons)]}")
        self.runs = frozenset(reasons)


@dataclass(frozen=True)
class RunOutputs:
    """References to the outputs of one part of a generation: its pack, or a file for each run index. `audits` are the
    records of the audited runs, in the order of their indices; see `evaluator.artifacts.audits`.
    """

    submission_id: UUID
    generation: int
    pack: ArtifactRef | None
    singles: dict[int, ArtifactRef]
    audits: tuple[ArtifactRef, ...] = ()
    part: int = 0


def run_outputs(
    session: Session, submission: Submission, generation: int | None = None, *, part: int = 0
) -> RunOutputs:
    """Return where the outputs of a part of a generation of the submission lie, by default the first of the current."""
    generation = submission.generation if generation is None else generation
    pack = find_pack(session, submission.id, generation)
    records = {
        int(index): record
        for item in run_items(session, submission, generation)
        if item.part == part
        for index, record in item.finished.items()
    }
    return RunOutputs(
        submission_id=submission.id,
        generation=generation,
        pack=None if pack is None else _packs(pack)[part],
        singles=_named(records, "outputs"),
        audits=tuple(ref for _, ref in sorted(_named(records, "audit").items())),
        part=part,
    )


def _packs(row: OutputPack) -> list[ArtifactRef]:
    """Return the packs of all parts, in their order."""
    return [ArtifactRef(key=row.key, sha256=row.sha256), *map(ArtifactRef.model_validate, row.further or ())]


def _named(records: Mapping[int, dict[str, Any]], field: str) -> dict[int, ArtifactRef]:
    """Return the artifacts that this field of the records of runs names, by run index."""
    return {
        index: ArtifactRef.model_validate(record[field])
        for index, record in records.items()
        if record.get(field) is not None
    }


def read_runs(artifacts: ArtifactStore, outputs: RunOutputs) -> StackedOutputs:
    """Return the outputs of all runs in the order of their indices, on which the metric's groups and pairings rely.

    The same bits whether they come from the pack or from single files; every digest is checked. Raises RunsUnusable
    for single files that are missing or corrupt, and ArtifactError or OutputsInvalid for a pack that is.
    """
    if outputs.pack is not None:
        return read_pack(artifacts.get(outputs.pack))
    runs: list[Outputs] = []
    unusable: dict[int, str] = {}
    for index, ref in sorted(outputs.singles.items()):
        try:
            runs.append(read_outputs(artifacts.get(ref)))
        except (ArtifactMissing, ArtifactCorrupt, OutputsInvalid) as error:
            unusable[index] = str(error)
    if unusable:
        raise RunsUnusable(unusable)
    return stack_outputs(runs)


def read_run_arrays(
    artifacts: ArtifactStore, outputs: RunOutputs, names: Iterable[str] | None = None
) -> Iterator[tuple[str, NDArray[np.generic]]]:
    """Yield the arrays called `names` of the outputs of all runs, by default all of a pack, one after the other.

    Of a pack, the array that is yielded is all that is in memory. Raises as `read_runs` does.
    """
    if outputs.pack is not None:
        with artifacts.unnamed_copy(outputs.pack) as path:
            yield from read_arrays(path, names)
        return
    arrays = pack_arrays(read_runs(artifacts, outputs))
    yield from ((name, arrays[name]) for name in (arrays if names is None else names))


@dataclass(frozen=True)
class StoredPack:
    """A pack in the store, that of a part, which no row names yet."""

    ref: ArtifactRef
    size_bytes: int


def store_pack(artifacts: ArtifactStore, outputs: RunOutputs, stacked: StackedOutputs, *, token: int) -> StoredPack:
    """Store a part's pack; the token keeps two scorers apart."""
    data = write_pack(stacked)
    name = f"outputs-{token}" if outputs.part == 0 else f"outputs-{token}-{outputs.part}"
    key = f"submissions/{outputs.submission_id}/{outputs.generation}/{name}.safetensors"
    return StoredPack(artifacts.put(key, data), len(data))


def commit_packs(session: Session, submission: Submission, packs: Sequence[StoredPack]) -> None:
    """Name the packs of all parts and remove the references to the single files; the runs stay counted."""
    first, *further = packs
    session.add(
        OutputPack(
            submission_id=submission.id,
            generation=submission.generation,
            key=first.ref.key,
            sha256=first.ref.sha256,
            size_bytes=sum(pack.size_bytes for pack in packs),
            further=[pack.ref.model_dump() for pack in further] or None,
        )
    )
    for item in run_items(session, submission):
        item.finished = {index: record | {"outputs": None} for index, record in item.finished.items()}


def drop_singles(artifacts: ArtifactStore, outputs: RunOutputs) -> None:
    """Delete the single files after the commit; `lethe admin prune` finds what a crash or an outage leaves behind."""
    try:
        artifacts.delete(ref.key for ref in outputs.singles.values())
    except ArtifactError as error:
        log.warning("runs_not_deleted", submission_id=str(outputs.submission_id), error=str(error))


def forget_runs(session: Session, submission: Submission, runs: Iterable[int]) -> list[WorkItem]:
    """Remove the records of these runs and return the items that have to be done again."""
    forgotten = {str(run) for run in runs}
    items = [item for item in run_items(session, submission) if forgotten & item.finished.keys()]
    for item in items:
        counters.add(session, counters.RUNS, len(forgotten & item.finished.keys()))  # they were stored all the same
        item.finished = {index: record for index, record in item.finished.items() if index not in forgotten}
    return items
