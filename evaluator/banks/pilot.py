"""How much each photograph is memorised, by a pilot: models that are trained with it, and as many without it.

The estimate of Feldman and Zhang, "What Neural Networks Memorize and Why" (2020), section 2, by which Zhao et al.,
"What makes unlearning hard" (RUM, 2024), choose forget sets: the chance that a photograph is classified rightly by
models that were trained on it, minus that by models that were not. With the few models of a pilot, the mean
probability of the true class takes the place of the share of right answers, which would have as many levels as there
are models.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lethe.evaluator.artifacts import ArtifactStore
from lethe.evaluator.artifacts.outputs import read_outputs
from lethe.evaluator.banks.identity import bank_identity
from lethe.evaluator.banks.seeding import ReportProgress, fill_banks
from lethe.evaluator.banks.training_jobs import TrainingPool
from lethe.evaluator.contract.prepared_competition import ArtifactRef
from lethe.evaluator.contract.specification import CompetitionSpec
from lethe.evaluator.data.bundles import EVALUATION_PARTS
from lethe.evaluator.data.photographs import DataError, Photographs, digest, pack
from lethe.evaluator.metrics.pool import Floats

LEAST_PHOTOGRAPHS = 16


@dataclass(frozen=True, eq=False)
class Pilot:
    """What the pilot found: `memorisation` (N,) in [-1, 1] of each photograph, and the mean seconds of a model."""

    memorisation: Floats
    models: int
    model_s: float
    visible: ArtifactRef
    evaluation: ArtifactRef
    outputs: tuple[ArtifactRef, ...]


def run_pilot(
    spec: CompetitionSpec,
    photographs: Photographs,
    store: ArtifactStore,
    pool: TrainingPool,
    progress: ReportProgress | None = None,
) -> Pilot:
    """Train the pilot's models that the store lacks, as the oracles are, and return what they say.

    The same seed, data, network and recipe give the same answer. Each pair of models cuts the photographs into random
    halves, people as a whole where `forget_by` is `identity`. Raises DataError for too few photographs, and as
    `fill_banks` does.
    """
    if len(photographs) < LEAST_PHOTOGRAPHS:
        raise DataError(f"split.difficulty needs {LEAST_PHOTOGRAPHS} photographs or more, not {len(photographs)}")
    sides = draw_sides(spec, photographs)
    codes = ["".join(map(str, row)) for row in sides]
    folder = f"data/{digest(photographs)[:16]}"
    visible = store.put_named_by_digest(f"{folder}/pilot-visible", _visible(photographs, codes), ".safetensors")
    evaluation = store.put_named_by_digest(f"{folder}/pilot-evaluation", _evaluation(photographs), ".safetensors")
    kinds = sorted(set(codes))
    orders = [
        (bank_identity(spec, visible, evaluation, tuple(kind for kind in kinds if kind[pair] == side)), 0)
        for pair in range(sides.shape[1])
        for side in "01"
    ]
    records = fill_banks(orders, store, pool, stage="pilot", progress=progress)
    probability = np.stack(
        [true_probability(read_outputs(store.get(one.outputs)).logits["forget"], photographs.labels) for one in records]
    )
    return Pilot(
        memorisation=memorisation(probability, sides),
        models=len(orders),
        model_s=float(np.mean([one.wall_s for one in records])),
        visible=visible,
        evaluation=evaluation,
        outputs=tuple(one.outputs for one in records),
    )


def draw_sides(spec: CompetitionSpec, photographs: Photographs) -> NDArray[np.int64]:
    """(N, pairs) of 0 and 1: which model of each pair is trained on a photograph. Halves of people, or of photographs,
    differ by one at most.
    """
    units = photographs.identities if spec.split.forget_by == "identity" else np.arange(len(photographs))
    names, place = np.unique(units, return_inverse=True)
    generator = np.random.default_rng(np.random.SeedSequence([spec.split.seed or 0, 4]))
    pairs = [generator.permutation(len(names)) % 2 for _ in range(spec.split.pilot_models // 2)]
    sides: NDArray[np.int64] = np.stack(pairs, axis=1)[place].astype(np.int64)
    return sides


def true_probability(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> Floats:
    """(N,) the probability of the true class; logits: (N, classes), labels: (N,)."""
    values = logits.astype(np.float64)
    values = np.exp(values - values.max(axis=1, keepdims=True))
    found: Floats = values[np.arange(len(labels)), labels] / values.sum(axis=1)
    return found


def memorisation(probability: Floats, sides: NDArray[np.int64]) -> Floats:
    """(N,) the mean probability by models trained on a photograph minus that by the others.

    probability: (models, N), the two models of a pair behind each other; sides: (N, pairs), which of the two saw it.
    """
    pairs = probability.reshape(sides.shape[1], 2, -1)  # (pairs, 2, N)
    seen = np.take_along_axis(pairs, sides.T[:, None, :], axis=1)
    unseen = np.take_along_axis(pairs, 1 - sides.T[:, None, :], axis=1)
    found: Floats = (seen - unseen).mean(axis=(0, 1))
    return found


def _visible(photographs: Photographs, codes: list[str]) -> bytes:
    """Photographs and labels of each group that the same models are trained on."""
    group = np.array(codes)
    arrays: dict[str, NDArray[np.generic]] = {}
    for kind in np.unique(group):
        rows = np.flatnonzero(group == kind)
        arrays |= {f"{kind}.images": photographs.images[rows], f"{kind}.labels": photographs.labels[rows]}
    # Recipes that weigh classes by retain and forget set together take the shares of all photographs.
    return pack(arrays | {"retain.labels": photographs.labels, "forget.labels": photographs.labels[:0]})


def _evaluation(photographs: Photographs) -> bytes:
    """All photographs, whose logits are asked for; of the parts that outputs have beside them, one photograph each."""
    arrays: dict[str, NDArray[np.generic]] = {}
    for part in EVALUATION_PARTS:
        rows = slice(None) if part == "forget" else slice(0, 1)
        arrays |= {f"{part}.images": photographs.images[rows], f"{part}.labels": photographs.labels[rows]}
    return pack(arrays)
