"""From stored outputs to measures: what all submissions of a split are measured against, and the measures of one."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load

from lethe.evaluator.artifacts import ArtifactStore
from lethe.evaluator.artifacts.audits import Quantities
from lethe.evaluator.artifacts.oracles import load_pool, read_record
from lethe.evaluator.artifacts.outputs import StackedOutputs, read_outputs, stack_outputs
from lethe.evaluator.contract.oracle_pools import OraclePools
from lethe.evaluator.contract.specification import MetricSpec
from lethe.evaluator.measures.inputs import MeasureInputs, Pair, Part
from lethe.evaluator.metrics import Score, margins
from lethe.evaluator.metrics.pool import Floats
from lethe.evaluator.scoring.reference_set import ReferenceSet, reference_set_of

LABELS: Mapping[Part, str] = {"forget": "forget.labels", "test": "test.labels", "retain": "retain_sample.labels"}
"""Parts of the outputs, and where the evaluation bundle has their labels."""


@dataclass(frozen=True, eq=False)
class MeasuringSet:
    """The outputs of all oracles of a split, with labels: what measures need besides the submission's outputs.

    `margins` are those of the first pool of oracles on test images and retain sample, as far as these have `labels`;
    `training_s`: (M,) seconds of training.
    """

    references: ReferenceSet
    oracles: StackedOutputs
    others: StackedOutputs
    labels: Mapping[Part, NDArray[np.int64]]
    margins: Mapping[Part, Floats]
    training_s: Floats

    def inputs(
        self,
        stacked: StackedOutputs,
        resources: Mapping[str, Floats] | None = None,
        audits: Quantities | None = None,
        score: Score | None = None,
    ) -> MeasureInputs:
        """Return the inputs of N models, with their score unless it is given; the others as in MeasureInputs."""
        references = self.references
        pool = references.pool(stacked)
        pairs: dict[Part, Pair] = {"forget": (pool.margins, references.retrained.margins)}
        pairs |= {
            part: (margins(stacked.logits[part], self.labels[part]), known) for part, known in self.margins.items()
        }
        return MeasureInputs(
            margins=pairs,
            accuracies={
                part: (stacked.accuracy[part], self.oracles.accuracy[part]) for part in ("retain", "forget", "test")
            },
            rule=references.metric.rule,
            identities=references.person_id,
            original=references.original_margins,
            logits=stacked.logits,
            oracle_logits=self.oracles.logits,
            labels={str(part): of_part for part, of_part in self.labels.items()},
            resources=resources or {},
            audits={quantity.value: values for quantity, values in (audits or {}).items()},
            training_s=self.training_s,
            score=score or references.score(pool),
            ceiling=references.ceiling,
        )

    def second_pool(self, audits: Quantities | None = None) -> MeasureInputs:
        """Return the inputs of the second pool of oracles, measured as if they were runs; `audits` of these oracles."""
        return self.inputs(self.others, audits=audits, score=self.references.ceiling)

    def untouched(self, runs: int, audits: Quantities | None = None) -> MeasureInputs:
        """Return the inputs of `runs` runs that leave the original network as it is; `audits` of that network."""
        return self.inputs(stack_outputs([self.references.original] * runs), audits=audits)


def load_measuring_set(artifacts: ArtifactStore, metric: MetricSpec, against: OraclePools) -> MeasuringSet:
    """Load what measures need of a seeded bank; raises ArtifactMissing when oracles are not trained yet.

    Parts that an older bundle has no labels of are left out, and so are the measures that need them.
    """
    split = against.split
    evaluation = load(artifacts.get(split.evaluation))
    labels = {part: evaluation[name] for part, name in LABELS.items() if name in evaluation}
    oracles, others = (load_pool(artifacts, split.bank_digest, pool) for pool in (against.oracles, against.others))
    original = read_outputs(artifacts.get(split.original_outputs))
    records = [read_record(artifacts, split.bank_digest, index) for index in against.oracles]
    return MeasuringSet(
        references=reference_set_of(metric, evaluation, oracles, others, original),
        oracles=oracles,
        others=others,
        labels=labels,
        margins={part: margins(oracles.logits[part], labels[part]) for part in labels if part != "forget"},
        training_s=np.array([record.wall_s for record in records]),
    )
