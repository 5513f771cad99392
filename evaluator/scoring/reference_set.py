"""What submissions are scored against on one split: labels, oracles, ceiling and the original model."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray
from safetensors.numpy import load

from lethe.evaluator.artifacts import ArtifactStore
from lethe.evaluator.artifacts.oracles import count_imported, load_pool
from lethe.evaluator.artifacts.outputs import Outputs, StackedOutputs, read_outputs, stack_outputs
from lethe.evaluator.contract.oracle_pools import OraclePools
from lethe.evaluator.contract.specification import MetricSpec
from lethe.evaluator.metrics import (
    Pool,
    Score,
    ScoreFinding,
    diagnose,
    epsilon,
    evaluate,
    example_quality,
    final_score,
    margins,
)

KEPT = 8
"""Of a full bank, one is two pools of margins of 4 MB; a competition has one for each task and original."""


@dataclass(frozen=True, eq=False)
class ReferenceSet:
    """Everything that scoring on one split needs besides the submission's outputs.

    `labels` and `person_id`: (E,) int64, of the forget examples. `others` is the second pool of oracles, and `ceiling`
    its score. `copied`: (n,) int64, which forget examples were copied; `copies` are the first pool's margins (N, n)
    on the copies, by what was done to them. Competitions older than copies have none. `imported` of the first
    pool were trained elsewhere.
    """

    metric: MetricSpec
    labels: NDArray[np.int64]
    person_id: NDArray[np.int64]
    retrained: Pool
    others: Pool
    ceiling: Score
    original: Outputs
    copied: NDArray[np.int64]
    copies: Mapping[str, NDArray[np.float64]]
    imported: int = 0

    @property
    def original_margins(self) -> NDArray[np.float64]:
        """(E,) the original model's margins on the forget examples."""
        found: NDArray[np.float64] = margins(self.original.logits["forget"][None], self.labels)[0]
        return found

    def pool(self, stacked: StackedOutputs) -> Pool:
        """Return margins on the forget examples and the accuracies of N models."""
        return pool_of(stacked, self.labels)

    def score(self, unlearned: Pool) -> Score:
        """Return the score of N models, whatever made them, against the first pool of oracles."""
        return _score(unlearned, self.retrained, self.metric, self.person_id)

    def score_at(self, unlearned: Pool, runs: int) -> Score:
        """Return the score of the first `runs` of N models; `competition` is against as many oracles, `exact` all."""
        return _score(_first(unlearned, runs), self._oracles_at(runs), self.metric, self.person_id)

    def growth(self, runs: int) -> float:
        """Return the ceiling at `runs` runs over the ceiling: what an image like the oracles' has left to gain or lose.

        The second pool is cut into as many parts of `runs` models as it has; their mean has less noise than one.
        """
        oracles, ceiling = self._oracles_at(runs), self.ceiling.final_score
        if ceiling == 0:
            return 1.0
        starts = range(0, len(self.others) - runs + 1, runs)
        parts = [self.others.take(np.arange(start, start + runs)) for start in starts]
        rule, cap_ratios = self.metric.rule, self.metric.cap_ratios
        scores = [final_score(part, oracles, rule=rule, cap_ratios=cap_ratios) for part in parts]
        return float(np.mean(scores)) / ceiling

    def _oracles_at(self, runs: int) -> Pool:
        return _first(self.retrained, runs) if self.metric.rule == "competition" else self.retrained

    def epsilon(self, unlearned: Pool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return epsilon and the quality the rule gives it, each (E,); without the intervals, which cost far more."""
        values = epsilon(unlearned.margins, self.retrained.margins, rule=self.metric.rule)
        runs, oracles = len(unlearned), len(self.retrained)
        return values, example_quality(values, rule=self.metric.rule, runs=runs, oracles=oracles)

    def floor(self, runs: int) -> Score:
        """Return the score of `runs` runs that leave the original model as it is."""
        return self.score(self.pool(stack_outputs([self.original] * runs)))

    def findings(self, stacked: StackedOutputs, unlearned: Pool, score: Score) -> tuple[ScoreFinding, ...]:
        """Return what a host should know before trusting `score`, that of the pool `unlearned` made of `stacked`."""
        kinds = [kind for kind in self.copies if kind in stacked.copies]
        copied = None
        if kinds and len(self.copied) < len(self.labels):
            copied = self._quality(unlearned.margins[:, self.copied], self.retrained.margins[:, self.copied])
        return diagnose(
            unlearned,
            self.retrained,
            score=score,
            ceiling=self.ceiling,
            original=self.original_margins,
            copied=copied,
            copies={
                kind: self._quality(margins(stacked.copies[kind], self.labels[self.copied]), self.copies[kind])
                for kind in kinds
            },
        )

    def _quality(self, unlearned: NDArray[np.float64], retrained: NDArray[np.float64]) -> Score:
        """Return a score of which only the forgetting quality counts."""
        return evaluate(Pool(margins=unlearned), Pool(margins=retrained), rule=self.metric.rule)


class ReferenceSets:
    """The reference sets that were needed last, kept in memory: loading a full bank takes seconds."""

    def __init__(self, artifacts: ArtifactStore) -> None:
        self._artifacts = artifacts
        self._kept: LRUCache[str, ReferenceSet] = LRUCache(maxsize=KEPT)

    def get(self, metric: MetricSpec, against: OraclePools) -> ReferenceSet:
        """Return the reference set, loaded if it is not kept; raises as `load_reference_set` does."""
        original = against.split.original_outputs.sha256
        pools = f"{against.split.bank_digest} {original} {against.oracles} {against.others}"
        key = f"{pools} {metric.model_dump_json()}"
        reference_set = self._kept.get(key)
        if reference_set is None:
            reference_set = self._kept[key] = load_reference_set(self._artifacts, metric, against)
        return reference_set


def load_reference_set(artifacts: ArtifactStore, metric: MetricSpec, against: OraclePools) -> ReferenceSet:
    """Load the reference set of a seeded bank; raises ArtifactMissing when oracles are not trained yet."""
    bank = against.split.bank_digest
    return reference_set_of(
        metric,
        load(artifacts.get(against.split.evaluation)),
        load_pool(artifacts, bank, against.oracles),
        load_pool(artifacts, bank, against.others),
        read_outputs(artifacts.get(against.split.original_outputs)),
        imported=count_imported(artifacts, bank, against.oracles),
    )


def reference_set_of(
    metric: MetricSpec,
    evaluation: Mapping[str, NDArray[np.int64]],
    oracles: StackedOutputs,
    others: StackedOutputs,
    original: Outputs,
    imported: int = 0,
) -> ReferenceSet:
    """Return the reference set of outputs that are loaded; `evaluation` are the arrays of the evaluation bundle."""
    labels, person_id = evaluation["forget.labels"], evaluation["forget.person_id"]
    retrained, second = pool_of(oracles, labels), pool_of(others, labels)
    copied = evaluation.get("copies.rows", np.zeros(0, np.int64))
    return ReferenceSet(
        metric=metric,
        labels=labels,
        person_id=person_id,
        retrained=retrained,
        others=second,
        ceiling=_score(second, retrained, metric, person_id),
        original=original,
        copied=copied,
        copies={kind: margins(logits, labels[copied]) for kind, logits in oracles.copies.items()},
        imported=imported,
    )


def pool_of(stacked: StackedOutputs, labels: NDArray[np.int64]) -> Pool:
    """Return margins on the forget examples, whose labels are (E,), and the accuracies of N models."""
    return pool_of_logits(stacked.logits["forget"], stacked.accuracy, labels)


def pool_of_logits(
    forget: NDArray[np.float32], accuracy: Mapping[str, NDArray[np.float64]], labels: NDArray[np.int64]
) -> Pool:
    """As `pool_of`, to the bit, from the logits (N, E, C) on the forget examples and the accuracies (N,) by part."""
    return Pool(
        margins=margins(forget, labels),
        retain_accuracy=accuracy["retain"],
        test_accuracy=accuracy["test"],
        forget_accuracy=accuracy["forget"],
    )


def _first(pool: Pool, models: int) -> Pool:
    return pool.take(np.arange(models))


def _score(unlearned: Pool, retrained: Pool, metric: MetricSpec, person_id: NDArray[np.int64]) -> Score:
    return evaluate(unlearned, retrained, rule=metric.rule, cap_ratios=metric.cap_ratios, identities=person_id)
