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
from lethe.evaluator.contract.data_sources import SyntheticFacesSpec
from lethe.evaluator.contract.hidden_estimates import HiddenScale, hidden_scale
from lethe.evaluator.contract.practice import PracticeFacts, facts_of
from lethe.evaluator.contract.prepared_competition import PreparedPractice
from lethe.evaluator.contract.specification import CompetitionSpec
from lethe.evaluator.data.photographs import pack
from lethe.evaluator.data.sources import Files
from lethe.evaluator.preparation import prepare_practice


@dataclass(frozen=True)
class PracticeData:
    """Practice data in a store. `oracles` are outputs that came with them; None where they have to be trained.

    `hidden` says how hidden runs differ; None where that is not known here.
    """

    facts: PracticeFacts
    prepared: PreparedPractice
    oracles: StackedOutputs | None = None
    hidden: HiddenScale | None = None

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
        return PracticeData(given.facts, _unpacked(given, store), given.oracles(), given.hidden_scale())
    prepared = prepare_practice(given, store, files=files, progress=progress)
    return PracticeData(facts_of(given), prepared, hidden=_hidden_scale(given, prepared))


def _hidden_scale(spec: CompetitionSpec, practice: PreparedPractice) -> HiddenScale | None:
    """How hidden runs differ, where the specification tells numbers of people; None where it takes the hidden files."""
    data, counts = spec.data, practice.counts
    if counts is None or not isinstance(data, SyntheticFacesSpec):
        return None
    more = data.identities / spec.practice.identities
    hidden = counts.model_copy(update={"retain": round(counts.retain * more), "forget": round(counts.forget * more)})
    return hidden_scale(counts, hidden, image_size=data.image_size, wall_limit_s=spec.limits.run_wall_s)


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
