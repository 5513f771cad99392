"""The identity of a competition's bank as configured now, and its differences from an existing bank's."""

from importlib.metadata import version

from lethe.evaluator.contract.bank import BankIdentity
from lethe.evaluator.contract.prepared_competition import ArtifactRef
from lethe.evaluator.contract.specification import CompetitionSpec


def bank_identity(
    spec: CompetitionSpec,
    visible: ArtifactRef,
    evaluation: ArtifactRef,
    parts: tuple[str, ...] = ("retain",),
) -> BankIdentity:
    """The identity of the competition's bank under the installed torch (which is not imported)."""
    return BankIdentity(
        visible=visible,
        evaluation=evaluation,
        parts=parts,
        architecture=spec.model.network.text,
        classes=spec.data.classes,
        recipe=spec.training,
        batch_size=spec.evaluation.batch_size,
        torch=version("torch"),
    )


def differences(made: BankIdentity, now: BankIdentity) -> list[str]:
    """The changes since a bank was made, each as `name old → new` with the first digits of its digest."""
    before, after = made.ingredients(), now.ingredients()
    return [f"{name} {before[name][:12]} → {after[name][:12]}" for name in before if before[name] != after[name]]
