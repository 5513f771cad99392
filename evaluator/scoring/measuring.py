"""From stored outputs to measures: what all submissions of a split are measured against, and the measures of one."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load

from lethe.evaluator.artifacts import ArtifactStore
from lethe.evaluator.artifacts.audits import Quantities
from lethe.evaluator.artifacts.oracles import load_pool, read_record
from lethe.evaluator.artifacts.outputs import StackedOutputs, stack_outputs
from lethe.evaluator.contract.oracle_pools import OraclePools
from lethe.evaluator.contract.specification import MetricSpec
from lethe.evaluator.measures.inputs import MeasureInputs, Pair, Part
from lethe.evaluator.metrics import margins
from lethe.evaluator.metrics.pool import Floats
from lethe.evaluator.scoring.reference_set import ReferenceSet, load_reference_set

LABELS: Mapping[Part, str] = {"forget": "forget.labels", "test": "test.labels", "retain": "retain_sample.labels"}
"""Parts of the outputs, and where the evaluation bundle has their labels."""


@dataclass(frozen=True, eq=False)
class MeasuringSet:
    """The outputs of all oracles of a split, with labels: what measures need besides the submission's outputs.

    `margins` are those of the first pool of oracles, by part; `training_s`: (M,) seconds of training.
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
    ) -> MeasureInputs:
        """Return the inputs of N models, with their score; `resources` and `audits` as in MeasureInputs."""
        references = self.references
        pairs: dict[Part, Pair] = {
            part: (margins(stacked.logits[part], labels), self.margins[part]) for part, labels in self.labels.items()
        }
        return MeasureInputs(
            margins=pairs,
            accuracies={
                part: (stacked.accuracy[part], self.oracles.accuracy[part]) for part in ("retain", "forget", "test")
            },
            rule=references.metric.rule,
            identities=references.person_id,
            original=margins(references.original.logits["forget"][None], references.labels)[0],
            logits=stacked.logits,
            oracle_logits=self.oracles.logits,
            labels={str(part): of_part for part, of_part in self.labels.items()},
            resources=resources or {},
            audits={quantity.value: values for quantity, values in (audits or {}).items()},
            training_s=self.training_s,
            score=references.score(references.pool(stacked)),
            ceiling=references.ceiling,
        )

    def second_pool(self, audits: Quantities | None = None) -> MeasureInputs:
        """Return the inputs of the second pool of oracles, measured as if they were runs; `audits` of these oracles."""
        return self.inputs(self.others, audits=audits)

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
    oracles = load_pool(artifacts, split.bank_digest, against.oracles)
    records = [read_record(artifacts, split.bank_digest, index) for index in against.oracles]
    return MeasuringSet(
        references=load_reference_set(artifacts, metric, against),
        oracles=oracles,
        others=load_pool(artifacts, split.bank_digest, against.others),
        labels=labels,
        margins={part: margins(oracles.logits[part], of_part) for part, of_part in labels.items()},
        training_s=np.array([record.wall_s for record in records]),
    )
