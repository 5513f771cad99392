"""What a check on practice data starts from: made from a specification, or unpacked from a practice bundle."""

from dataclasses import dataclass
from importlib.metadata import version

from safetensors.numpy import save

from lethe.evaluator.artifacts import ArtifactStore
from lethe.evaluator.artifacts.outputs import StackedOutputs
from lethe.evaluator.artifacts.practice_bundle import PracticeBundle
from lethe.evaluator.artifacts.store import digest_of_file
from lethe.evaluator.banks.seeding import ReportProgress
from lethe.evaluator.contract.bank import BankIdentity
from lethe.evaluator.contract.practice import PracticeFacts, facts_of
from lethe.evaluator.contract.prepared_competition import PreparedPractice
from lethe.evaluator.contract.specification import CompetitionSpec
from lethe.evaluator.data.photographs import pack
from lethe.evaluator.data.sources import Files
from lethe.evaluator.preparation import prepare_practice


@dataclass(frozen=True)
class PracticeData:
    """Practice data in a store. `oracles` are outputs that came with them; None where they have to be trained."""

    facts: PracticeFacts
    prepared: PreparedPractice
    oracles: StackedOutputs | None = None

    @property
    def bank(self) -> BankIdentity:
        """The bank of practice oracles that are trained here, under the installed torch."""
        return BankIdentity(
            visible=self.prepared.visible,
            evaluation=self.prepared.evaluation,
            parts=("retain",),
            architecture=self.facts.architecture,
            classes=self.facts.classes,
            recipe=self.facts.training,
            batch_size=self.facts.batch_size,
            torch=version("torch"),
        )


def load_practice(
    given: CompetitionSpec | PracticeBundle,
    store: ArtifactStore,
    *,
    files: Files | None = None,
    progress: ReportProgress | None = None,
) -> PracticeData:
    """Return the practice data of a specification, made on first use, or of a bundle, unpacked on first use.

    `files` says where a source that reads files finds them. Raises as `prepare_practice` does, and BundleInvalid.
    """
    if isinstance(given, PracticeBundle):
        return PracticeData(given.facts, _unpacked(given, store), given.oracles())
    return PracticeData(facts_of(given), prepare_practice(given, store, files=files, progress=progress))


def _unpacked(bundle: PracticeBundle, store: ArtifactStore) -> PreparedPractice:
    """Return the references to the bundle's artifacts in the store; a mark that is written last says they are whole."""
    folder = f"bundles/{digest_of_file(bundle.path)}"
    mark = f"{folder}/unpacked.json"
    if not store.exists(mark):
        prepared = PreparedPractice(
            visible=store.put(f"{folder}/visible.safetensors", pack(bundle.visible())),
            evaluation=store.put(f"{folder}/evaluation.safetensors", pack(bundle.evaluation())),
            original=store.put(f"{folder}/original.safetensors", bytes(save(bundle.weights()))),
        )
        store.put(mark, prepared.model_dump_json().encode())
    return PreparedPractice.model_validate_json(store.get(mark))
