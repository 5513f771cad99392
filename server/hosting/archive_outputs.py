"""The outputs in an archive: logits, accuracies, labels and identities as NPZ files, and the page with their shapes."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lethe.evaluator.artifacts import ArtifactStore
from lethe.evaluator.artifacts.oracles import load_pool
from lethe.evaluator.artifacts.outputs import array_names, pack_arrays, read_arrays, read_outputs, stack_outputs
from lethe.evaluator.contract.oracle_pools import OraclePools
from lethe.evaluator.contract.specification import MetricSpec
from lethe.evaluator.metrics.pools_file import write_arrays
from lethe.server.scoring.stored_outputs import RunOutputs, read_run_arrays

Arrays = Iterator[tuple[str, NDArray[np.generic]]]

_OF_IMAGES = {
    "forget.labels": "labels",
    "forget.person_id": "identities",
    "test.labels": "test_labels",
    "test.person_id": "test_identities",
    "retain_sample.labels": "retain_labels",
    "retain_sample.person_id": "retain_identities",
    "copies.rows": "copied",
}

README = Path(__file__).with_name("archive_readme.md")


def write_runs(artifacts: ArtifactStore, outputs: RunOutputs, path: Path) -> None:
    """Write all outputs of a submission's runs to `path`; one array is in memory at a time.

    Raises RunsUnusable, ArtifactError and OutputsInvalid for outputs that cannot be read.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:
        write_arrays(stream, _named("unlearned", read_run_arrays(artifacts, outputs)))


def write_oracles(artifacts: ArtifactStore, metric: MetricSpec, against: OraclePools, path: Path) -> None:
    """Write what all submissions of one evaluation are compared with to `path`; one pool is in memory at a time.

    Raises ArtifactMissing when oracles are not trained yet.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:
        write_arrays(stream, _of_oracles(artifacts, metric, against))


def _of_oracles(artifacts: ArtifactStore, metric: MetricSpec, against: OraclePools) -> Arrays:
    yield "rule", np.array(metric.rule)
    yield "cap_ratios", np.array(metric.cap_ratios)
    with artifacts.unnamed_copy(against.split.evaluation) as bundle:
        present = array_names(bundle)
        for name, values in read_arrays(bundle, [name for name in _OF_IMAGES if name in present]):
            yield _OF_IMAGES[name], values
    original = stack_outputs([read_outputs(artifacts.get(against.split.original_outputs))])
    yield from _named("original", pack_arrays(original).items())
    for pool, indices in (("retrained", against.oracles), ("ceiling", against.others)):
        yield from _named(pool, pack_arrays(load_pool(artifacts, against.split.bank_digest, indices)).items())


def _named(pool: str, arrays: Iterable[tuple[str, NDArray[np.generic]]]) -> Arrays:
    """Yield the arrays of a pack by their names in an NPZ file: `logits.forget` of the runs is `unlearned`."""
    for name, values in arrays:
        kind, _, part = name.partition(".")
        suffix = f"_{part}_accuracy" if kind == "accuracy" else "" if name == "logits.forget" else f"_{part}"
        yield f"{pool}{suffix}", values
