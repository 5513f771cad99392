"""What the submissions of one split are measured against: labels, oracles, ceiling and the original model."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load

from evaluator.artifacts import ArtifactStore
from evaluator.artifacts.oracles import load_pool
from evaluator.artifacts.outputs import Outputs, StackedOutputs, read_outputs, stack_outputs
from evaluator.contract.specification import MetricSpec
from evaluator.metrics import Finding, Pool, Score, diagnose, evaluate, margins
from server.competitions.measures import Measure


@dataclass(frozen=True, eq=False)
class Yardstick:
    """Loaded once per split and then kept: a full bank takes seconds to read.

    `labels` and `person_id`: (E,) int64, of the forget examples. `others` is the second pool of oracles, and `ceiling`
    its score.
    """

    metric: MetricSpec
    labels: NDArray[np.int64]
    person_id: NDArray[np.int64]
    retrained: Pool
    others: Pool
    ceiling: Score
    original: Outputs

    def pool(self, stacked: StackedOutputs) -> Pool:
        """Margins on the forget examples and the accuracies of N models."""
        return _pool(stacked, self.labels)

    def score(self, unlearned: Pool) -> Score:
        """The score of N models, whatever made them, against the first pool of oracles."""
        return _score(unlearned, self.retrained, self.metric, self.person_id)

    def floor(self, runs: int) -> Score:
        """The score of `runs` runs that leave the original model as it is."""
        return self.score(self.pool(stack_outputs([self.original] * runs)))

    def findings(self, unlearned: Pool, score: Score) -> tuple[Finding, ...]:
        """What a host should know before trusting `score`."""
        untouched = margins(self.original.logits["forget"][None], self.labels)[0]
        return diagnose(unlearned, self.retrained, score=score, ceiling=self.ceiling, original=untouched)


def load_yardstick(artifacts: ArtifactStore, metric: MetricSpec, measure: Measure) -> Yardstick:
    """The yardstick of a seeded bank; raises ArtifactMissing when oracles are not trained yet."""
    split = measure.split
    evaluation = load(artifacts.get(split.evaluation))
    labels, person_id = evaluation["forget.labels"], evaluation["forget.person_id"]
    retrained = _pool(load_pool(artifacts, split.bank_digest, measure.oracles), labels)
    others = _pool(load_pool(artifacts, split.bank_digest, measure.others), labels)
    return Yardstick(
        metric=metric,
        labels=labels,
        person_id=person_id,
        retrained=retrained,
        others=others,
        ceiling=_score(others, retrained, metric, person_id),
        original=read_outputs(artifacts.get(split.original_outputs)),
    )


def _pool(stacked: StackedOutputs, labels: NDArray[np.int64]) -> Pool:
    return Pool(
        margins=margins(stacked.logits["forget"], labels),
        retain_accuracy=stacked.accuracy["retain"],
        test_accuracy=stacked.accuracy["test"],
        forget_accuracy=stacked.accuracy["forget"],
    )


def _score(unlearned: Pool, retrained: Pool, metric: MetricSpec, person_id: NDArray[np.int64]) -> Score:
    return evaluate(unlearned, retrained, rule=metric.rule, cap_ratios=metric.cap_ratios, identities=person_id)
