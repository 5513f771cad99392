"""What a prepared competition consists of: the artifacts of its data, models and banks, and the host's figures."""

from pydantic import Field

from lethe.evaluator.contract.base import Contract


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
    left_out: int = Field(
        default=0, description="Photographs in no part, because one of them alone would have been the last batch of it"
    )
    identities: int
    forget_identities: int
    classes: int


class OriginalModel(Contract):
    """A further original model of a split, from a seed of its own."""

    checkpoint: ArtifactRef
    outputs: ArtifactRef


class PreparedSplit(Contract):
    """One way to split the hidden photographs. A guest may hold `visible` and `original`; the rest stays trusted."""

    visible: ArtifactRef
    evaluation: ArtifactRef
    original: ArtifactRef
    original_outputs: ArtifactRef = Field(description="Outputs of the original model; repeated, they are the floor")
    bank_digest: str
    counts: Counts
    figures: Figures
    further_originals: tuple[OriginalModel, ...] = Field(default=(), description="After the first, if it has several")

    def with_original(self, place: int) -> "PreparedSplit":
        """The split as runs from the original model number `place` see it."""
        if place == 0:
            return self
        own = self.further_originals[place - 1]
        return self.model_copy(update={"original": own.checkpoint, "original_outputs": own.outputs})


class PracticeFile(Contract):
    """The practice bundle as it can be downloaded: one file, named by its digest."""

    artifact: ArtifactRef
    size_bytes: int
    oracles: int = Field(description="Practice oracles whose outputs it has; 0 until all of them are trained")
    format: int


class PreparedPractice(Contract):
    """Practice data, open to everybody: other people's photographs, split alike, and the model trained on them."""

    visible: ArtifactRef
    evaluation: ArtifactRef
    original: ArtifactRef
    counts: Counts | None = Field(default=None, description="Unknown of competitions from before they were counted")
    bundle: PracticeFile | None = Field(default=None, description="None of competitions from before there were bundles")


class DataManifest(Contract):
    """The hidden photographs of all sides, as they were read once and stored."""

    source: str
    photographs: ArtifactRef = Field(description="One safetensors file; its digest names the data set")
    images: int
    identities: int
    class_counts: tuple[int, ...] = Field(description="Photographs of each class")
    class_names: tuple[str, ...] = Field(description="Empty where classes are numbers or age groups")
    practice_images: int
    practice_identities: int
    skipped: int = Field(description="Files that were left out because they could not be used")


class PilotFacts(Contract):
    """The pilot by which a forget set was chosen: its models, and how much they memorise; in [-1, 1], means."""

    models: int
    model_s: float
    forget_memorisation: float = Field(description="Of the public forget set")
    other_memorisation: float = Field(description="Of all other photographs")
    visible: ArtifactRef
    evaluation: ArtifactRef
    outputs: tuple[ArtifactRef, ...] = Field(description="Of its models; they name the banks that these are in")


class NetworkFacts(Contract):
    """What was counted of the competition's network, which everybody may know."""

    weights: int = Field(description="Numbers in its parameters")
    state_bytes: int = Field(description="Size of a state dict")
    layers: tuple[str, ...] = Field(description="The names of its parts, in their order")


class PreparedCompetition(Contract):
    """The prepared competition: its first task, and the others, which are prepared alike, as `further_tasks`."""

    data: DataManifest
    network: NetworkFacts | None = Field(default=None, description="None of competitions from before it was counted")
    pilot: PilotFacts | None = Field(default=None, description="None where the forget set was not chosen by difficulty")
    public: PreparedSplit = Field(description="Every submission is evaluated on this split")
    final: PreparedSplit | None = Field(description="Selected submissions, after the close; other people are forgotten")
    practice: PreparedPractice
    contact_sheet: ArtifactRef = Field(description="Practice photographs; anybody may see it")
    environment: dict[str, str] = Field(description="Versions of python, torch, … that the models were trained under")

    further_tasks: tuple["PreparedCompetition", ...] = Field(default=(), description="After the first, in their order")

    @property
    def tasks(self) -> tuple["PreparedCompetition", ...]:
        """Every task as a competition with it alone has it."""
        return (self.model_copy(update={"further_tasks": ()}), *self.further_tasks)

    @property
    def splits(self) -> dict[str, PreparedSplit]:
        """`public` and, where the competition has it, `final`: each has an original model and a bank of its own."""
        return {"public": self.public} | ({} if self.final is None else {"final": self.final})
