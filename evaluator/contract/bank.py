"""What an oracle bank depends on. Everything that could change an oracle is in its digest, so no bank goes stale."""

import hashlib
import json

from pydantic import Field

from lethe.evaluator.contract.base import Contract
from lethe.evaluator.contract.prepared_competition import ArtifactRef, PreparedPractice
from lethe.evaluator.contract.specification import CompetitionSpec, TrainingSpec

BANK_FORMAT = 4
"""Rises when the code gives a model other bits or stores other outputs of it, so that banks never mix the two."""


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
    format: int = Field(default=BANK_FORMAT, description="How models are trained and what is stored of each")

    @property
    def digest(self) -> str:
        """The SHA-256 of the identity's canonical JSON in hexadecimal."""
        return _digest(self.model_dump(mode="json"))

    @property
    def needs_gpu(self) -> bool:
        """Whether the recipe's precision exists on GPUs only."""
        return self.recipe.precision != "float32"

    def training_seed(self, index: int) -> int:
        """The seed of a model, in [0, 2**63): from the SHA-256 of the bank's digest and the index."""
        return int.from_bytes(hashlib.sha256(f"{self.digest} {index}".encode()).digest()[:8], "big") >> 1

    def ingredients(self) -> dict[str, str]:
        """The inputs that a host can change, as digests by name; two banks differ exactly where these differ.

        Bundles lie in a folder that is named by the photographs, so other photographs show as `data` and another split
        of the same ones as `split`.
        """
        photographs = self.visible.key.rsplit("/", 1)[0]
        return {
            "data": _digest([photographs, self.classes]),
            "split": _digest([self.visible.sha256, self.evaluation.sha256, self.parts]),
            "architecture": _digest(self.architecture),
            "recipe": _digest(self.recipe.model_dump(mode="json")),
            "evaluation batch size": _digest(self.batch_size),
            "torch": self.torch,
            "bank format": str(self.format),
        }


def practice_bank(public: BankIdentity, practice: PreparedPractice) -> BankIdentity:
    """The identity of the practice oracles' bank: that of the public one, on practice data."""
    return public.model_copy(update={"visible": practice.visible, "evaluation": practice.evaluation})


def changed_ingredients(stored: CompetitionSpec, given: CompetitionSpec) -> list[str]:
    """The inputs in which models made from `given` would differ, as `name old → new` with the first digits of digests.

    Seeds that `given` leaves to be drawn are not compared.
    """
    sections = {"data": "data", "split": "split", "architecture": "model", "recipe": "training"}
    changed = []
    for name, section in sections.items():
        before = getattr(stored, section).model_dump(mode="json")
        after = getattr(given, section).model_dump(mode="json")
        after |= {key: value for key, value in before.items() if after.get(key) is None}
        if before != after:
            changed.append(f"{name} {_digest(before)[:12]} → {_digest(after)[:12]}")
    return changed


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
