"""What an oracle bank depends on. Everything that could change an oracle is in its digest, so no bank goes stale."""

import hashlib
import json
from importlib.metadata import version

from pydantic import Field

from evaluator.contract.base import Contract
from evaluator.contract.dossier import ArtifactRef
from evaluator.contract.specification import CompetitionSpec, TrainingSpec


class BankMismatch(RuntimeError):
    """The competition's bank was made for something else than what is configured now."""


class BankIdentity(Contract):
    """The inputs of every model of one bank. Oracles see the retain part; the original model has a bank of its own,
    with one model that sees the forget part too.
    """

    visible: ArtifactRef = Field(description="Data and split: what is trained on")
    evaluation: ArtifactRef = Field(description="Data and split: what outputs are computed on")
    parts: tuple[str, ...] = Field(description="Parts of the visible bundle that are trained on")
    architecture: str
    classes: int
    recipe: TrainingSpec
    batch_size: int = Field(description="Of evaluation: it decides how sums are grouped, so it is part of the bits")
    torch: str
    format: int = 1

    @property
    def digest(self) -> str:
        """The SHA-256 of the identity's canonical JSON in hexadecimal."""
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def training_seed(self, index: int) -> int:
        """The seed of a model, in [0, 2**63): from the SHA-256 of the bank's digest and the index."""
        return int.from_bytes(hashlib.sha256(f"{self.digest} {index}".encode()).digest()[:8], "big") >> 1


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
        architecture=spec.model.architecture,
        classes=spec.data.classes,
        recipe=spec.training,
        batch_size=spec.evaluation.batch_size,
        torch=version("torch"),
    )
