"""Audits of weights: what a network is audited against, and the record that stays when its weights are dropped."""

import hashlib
from enum import StrEnum
from typing import Literal

from pydantic import Field

from lethe.evaluator.contract.base import Contract
from lethe.evaluator.contract.prepared_competition import ArtifactRef, PreparedSplit
from lethe.evaluator.contract.specification import CompetitionSpec, TrainingSpec


class AuditQuantity(StrEnum):
    """What an audit measures; `evaluator.inference.audit` computes them and defines each."""

    FORGET_ACCURACY = "forget_accuracy"
    RELEARNED_FORGET_ACCURACY = "relearned_forget_accuracy"
    FORGET_MARGIN = "forget_margin"
    RELEARNED_FORGET_MARGIN = "relearned_forget_margin"
    DISTANCE_TO_ORIGINAL = "distance_to_original"
    DISTANCE_TO_ORACLES = "distance_to_oracles"
    BARRIER_TO_ORIGINAL = "barrier_to_original"
    BARRIER_TO_ORACLE = "barrier_to_oracle"
    CKA_WITH_ORIGINAL = "cka_with_original"
    CKA_WITH_ORACLES = "cka_with_oracles"


class AuditPlan(Contract):
    """What audits on one split have in common: those of runs, of oracles and of the original.

    `references` index the oracles that every network is compared with, the first of the bank. Audited are the first of
    its second pool, so that no oracle is compared with itself.
    """

    version: Literal[1] = 1
    visible: ArtifactRef = Field(description="Has retain, on which the network is trained again")
    evaluation: ArtifactRef
    original: ArtifactRef
    bank_digest: str
    references: tuple[int, ...]
    architecture: str
    classes: int
    batch_size: int
    recipe: TrainingSpec = Field(description="Of relearning: that of the competition, with fewer epochs")
    wall_s: float = Field(gt=0, description="Seconds for one network")

    @property
    def digest(self) -> str:
        """The SHA-256 of the plan's JSON in hexadecimal: records under the same digest can be compared."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


class AuditRecord(Contract):
    """The numbers of one audited network, for the host.

    `place` counts the audited networks of a kind from 0. It chooses the seed of relearning and the oracle at the end
    of the path, so a run and an oracle at one place are treated alike.
    """

    version: Literal[1] = 1
    place: int = Field(ge=0)
    quantities: dict[AuditQuantity, float]
    missing: str = Field(default="", description="Why some or all quantities are missing")
    wall_s: float = Field(ge=0)


def audit_plan(spec: CompetitionSpec, split: PreparedSplit) -> AuditPlan | None:
    """Return the plan of the audits on a split; None in a competition without audits."""
    if not spec.audits.runs:
        return None
    return AuditPlan(
        visible=split.visible,
        evaluation=split.evaluation,
        original=split.original,
        bank_digest=split.bank_digest,
        references=tuple(range(spec.audits.runs)),
        architecture=spec.model.network.text,
        classes=split.counts.classes,
        batch_size=spec.evaluation.batch_size,
        # Like outputs, audits are computed on the processor, in float32.
        recipe=spec.training.model_copy(update={"epochs": spec.audits.epochs, "precision": "float32"}),
        wall_s=spec.audits.wall_s,
    )


def audited_oracles(spec: CompetitionSpec) -> range:
    """Return which oracles of a bank are audited, as if each were a run."""
    first = spec.evaluation.oracles
    return range(first, first + spec.audits.runs)
