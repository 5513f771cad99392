"""One network to audit, with everything that it is compared with in local files. No torch in here."""

from pathlib import Path

from lethe.evaluator.artifacts import ArtifactStore
from lethe.evaluator.artifacts.oracles import read_record
from lethe.evaluator.contract.audits import AuditPlan
from lethe.evaluator.contract.base import Contract


class AuditOrder(Contract):
    """What the inference process needs besides the weights. Paths are local, verified files."""

    plan: AuditPlan
    place: int
    visible: Path
    evaluation: Path
    original: Path
    references: tuple[Path, ...]


def audit_order(plan: AuditPlan, place: int, store: ArtifactStore, cache: Path) -> AuditOrder:
    """Return the order with its files in `cache`. Raises as `ArtifactStore.local_path` does."""
    records = [read_record(store, plan.bank_digest, index) for index in plan.references]
    return AuditOrder(
        plan=plan,
        place=place,
        visible=store.local_path(plan.visible, cache),
        evaluation=store.local_path(plan.evaluation, cache),
        original=store.local_path(plan.original, cache),
        references=tuple(store.local_path(record.checkpoint, cache) for record in records),
    )
