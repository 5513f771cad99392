"""What a prepared competition consists of: the artifacts of its data, models and bank, and the host's figures."""

from pydantic import Field

from evaluator.contract.base import Contract


class ArtifactRef(Contract):
    """One write-once artifact: its key in the store and the SHA-256 of its bytes."""

    key: str
    sha256: str


class Figures(Contract):
    """Accuracies in [0, 1] and seconds; oracle figures are means over the oracles trained so far."""

    original_retain_accuracy: float
    original_forget_accuracy: float
    original_validation_accuracy: float
    original_test_accuracy: float
    oracle_retain_accuracy: float
    oracle_forget_accuracy: float
    oracle_test_accuracy: float
    retrain_wall_s: float
    chance: float
    majority: float = Field(description="Test accuracy of always guessing the most frequent class")


class Counts(Contract):
    """Images (and identities) on each side of the split."""

    retain: int
    forget: int
    validation: int
    test: int
    retain_sample: int
    identities: int
    forget_identities: int
    classes: int


class Dossier(Contract):
    """The prepared competition. A guest may hold the two `…_visible` bundles; the `…evaluation` ones stay trusted."""

    hidden_visible: ArtifactRef
    practice_visible: ArtifactRef
    evaluation: ArtifactRef
    practice_evaluation: ArtifactRef
    original: ArtifactRef
    original_outputs: ArtifactRef = Field(description="Outputs of the original model; repeated, they are the floor")
    practice_original: ArtifactRef
    contact_sheet: ArtifactRef
    bank_digest: str
    counts: Counts
    figures: Figures
    environment: dict[str, str] = Field(description="Versions of python, torch, … that the models were trained under")
