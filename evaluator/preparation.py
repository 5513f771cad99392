"""Preparing a competition: from its specification to stored data, original models, a first few oracles and figures."""

import time
from collections.abc import Callable, Mapping
from math import ceil

import numpy as np

from lethe.evaluator.artifacts import ArtifactStore
from lethe.evaluator.artifacts.oracles import ModelRecord
from lethe.evaluator.artifacts.outputs import read_outputs, stack_outputs
from lethe.evaluator.banks.identity import bank_identity
from lethe.evaluator.banks.network_check import CheckedNetwork, NetworkTrial, check_network
from lethe.evaluator.banks.pilot import Pilot, run_pilot
from lethe.evaluator.banks.seeding import FIRST_ORACLES, Progress, ReportProgress, fill_banks
from lethe.evaluator.banks.training_jobs import training_pool
from lethe.evaluator.contract.bank import BankIdentity
from lethe.evaluator.contract.prepared_competition import (
    ArtifactRef,
    Counts,
    DataManifest,
    Figures,
    OriginalModel,
    PilotFacts,
    PreparedCompetition,
    PreparedPractice,
    PreparedSplit,
)
from lethe.evaluator.contract.specification import CompetitionSpec, SplitSpec
from lethe.evaluator.data.bundles import anonymise, evaluation_bundle, visible_bundle
from lethe.evaluator.data.contact_sheet import contact_sheet
from lethe.evaluator.data.disk_space import needed_bytes, require_space
from lethe.evaluator.data.photographs import DataError, Photographs, digest, pack_photographs
from lethe.evaluator.data.review import Review, review_data
from lethe.evaluator.data.sources import Collection, Files, load_collection, practice_photographs
from lethe.evaluator.data.splits import Split, Splits, draw_splits
from lethe.evaluator.environment import environment
from lethe.evaluator.metrics.pool import Floats

ORIGINAL_PARTS = ("retain", "forget")

Look = Callable[[Review], None]


def prepare(
    spec: CompetitionSpec,
    store: ArtifactStore,
    *,
    files: Files | None = None,
    jobs: int | None = None,
    progress: ReportProgress | None = None,
    look: Look | None = None,
    check_bank: Callable[[BankIdentity], None] | None = None,
) -> PreparedCompetition:
    """Return the prepared competition of a specification without tasks, after storing everything that it names.

    Makes or reads the hidden and the practice photographs, splits them, writes the bundles and a contact sheet of the
    practice data, trains the original models and the first two oracles of each split in `jobs` processes (default:
    cores), and computes the figures. Every seed of `spec` must be given. `files` says where a source that reads files
    finds them. Repeating it, or continuing after it was killed, trains nothing twice and gives the same result.
    `progress` is called with the stages `data`, `pilot` (where `split.difficulty` asks for one) and `models`, `look`
    before any training with what was read, also when the data are then refused, and `check_bank` with the identity of
    the public bank, before any training but a pilot's, so that it may raise. Raises, before any training,
    NetworkRefused when the network cannot be trained, DataError when the data cannot be used or split as specified or
    the store is too small; and TrainingFailed when a training process dies or raises.
    """
    files = _reporting(files, progress)
    with training_pool(1) as pool:
        network = check_network(network_trial(spec), pool)
    collection, splits, practice_side = _read(spec, store, files, look, network)
    hidden, practice = collection.hidden, collection.practice
    pilot = None
    if spec.split.difficulty:
        with training_pool(jobs) as pool:
            pilot = run_pilot(spec, hidden, store, pool, progress)
        splits = draw(hidden, spec.split, spec, collection, pilot.memorisation)
    manifest = _manifest(spec, store, hidden, practice, skipped=len(files.skipped))
    named = splits.named
    bundles = {name: _store_bundles(store, hidden, split, spec) for name, split in named.items()}
    practice_bundles, practice_counts = _store_practice(store, practice, spec, practice_side)

    count = spec.evaluation.originals
    banks = {name: bank_identity(spec, visible, evaluation) for name, (visible, evaluation) in bundles.items()}
    if check_bank is not None:
        check_bank(banks["public"])
    orders = [
        (bank_identity(spec, *practice_bundles, ORIGINAL_PARTS), 0),
        *((bank_identity(spec, *both, ORIGINAL_PARTS), index) for both in bundles.values() for index in range(count)),
        *((bank, index) for bank in banks.values() for index in range(FIRST_ORACLES)),
    ]
    with training_pool(jobs) as pool:
        practice_original, *models = fill_banks(orders, store, pool, stage="models", progress=progress)
    prepared = _prepared_splits(spec, store, hidden, named, bundles, banks, models)
    sheet = store.put_named_by_digest(f"data/{digest(practice)[:16]}/contact-sheet", contact_sheet(practice), ".png")
    return PreparedCompetition(
        data=manifest,
        network=network.facts,
        pilot=None if pilot is None else _pilot_facts(pilot, splits.public),
        public=prepared["public"],
        final=prepared.get("final"),
        practice=_prepared_practice(practice_bundles, practice_original, practice_counts),
        contact_sheet=sheet,
        environment=environment(),
    )


def _prepared_splits(
    spec: CompetitionSpec,
    store: ArtifactStore,
    hidden: Photographs,
    named: Mapping[str, Split],
    bundles: Mapping[str, tuple[ArtifactRef, ArtifactRef]],
    banks: Mapping[str, BankIdentity],
    models: list[ModelRecord],
) -> dict[str, PreparedSplit]:
    """The splits by name; `models` are the originals of all splits, then the first oracles of all."""
    count = spec.evaluation.originals
    originals, oracles = models[: count * len(named)], models[count * len(named) :]
    prepared = {}
    for place, (name, split) in enumerate(named.items()):
        original, *further = originals[place * count : (place + 1) * count]
        mine = oracles[place * FIRST_ORACLES : (place + 1) * FIRST_ORACLES]
        prepared[name] = PreparedSplit(
            visible=bundles[name][0],
            evaluation=bundles[name][1],
            original=original.checkpoint,
            original_outputs=original.outputs,
            bank_digest=banks[name].digest,
            counts=count_split(hidden, split),
            figures=_figures(store, hidden, split, original, mine),
            further_originals=tuple(OriginalModel(checkpoint=one.checkpoint, outputs=one.outputs) for one in further),
        )
    return prepared


def prepare_practice(
    spec: CompetitionSpec, store: ArtifactStore, *, files: Files | None = None, progress: ReportProgress | None = None
) -> PreparedPractice:
    """Return a specification's practice data and their original model, with the bits of a competition made from it.

    Everything is made on first use and found in the store later. Raises as `prepare` does.
    """
    photographs = practice_photographs(spec, _reporting(files, progress))
    bundles, counts = _store_practice(store, photographs, spec, _draw_practice(spec, photographs))
    order = (bank_identity(spec, *bundles, ORIGINAL_PARTS), 0)
    with training_pool(jobs=1) as pool:
        (original,) = fill_banks([order], store, pool, stage="models", progress=progress)
    return _prepared_practice(bundles, original, counts)


def _read(
    spec: CompetitionSpec, store: ArtifactStore, files: Files, look: Look | None, network: CheckedNetwork
) -> tuple[Collection, Splits, Split]:
    """Read and split the photographs, and those to practise on; `look` is called also when they are refused."""
    counts: dict[str, Counts] = {}
    needed = None
    try:
        collection = load_collection(spec, files)
        splits = draw(collection.hidden, spec.split, spec, collection)
        counts |= {name: count_split(collection.hidden, split) for name, split in splits.named.items()}
        needed = needed_bytes(spec, collection.hidden, splits, checkpoint=network.facts.state_bytes)
        practice_side = _draw_practice(spec, collection.practice)
        require_space(spec, store, needed)
        return collection, splits, practice_side
    finally:
        if look is not None and files.photographs is not None:
            look(review_data(spec, files, counts, needed, _model_s(spec, counts, network)))


def _pilot_facts(pilot: Pilot, split: Split) -> PilotFacts:
    forget = np.isin(np.arange(len(pilot.memorisation)), split.forget)
    return PilotFacts(
        models=pilot.models,
        model_s=pilot.model_s,
        forget_memorisation=float(pilot.memorisation[forget].mean()),
        other_memorisation=float(pilot.memorisation[~forget].mean()),
        visible=pilot.visible,
        evaluation=pilot.evaluation,
        outputs=pilot.outputs,
    )


def network_trial(spec: CompetitionSpec) -> NetworkTrial:
    """Return what is tried of the specification's network before anything is trained."""
    return NetworkTrial(
        network=spec.model.network.text,
        classes=spec.data.classes,
        image_size=spec.data.image_size,
        batch_size=spec.training.batch_size,
    )


def _model_s(spec: CompetitionSpec, counts: dict[str, Counts], network: CheckedNetwork) -> float | None:
    """The seconds that training a model is expected to take; None where the network or the split was not tried."""
    if network.step_s is None or "public" not in counts:
        return None
    return network.step_s * ceil(counts["public"].retain / spec.training.batch_size) * spec.training.epochs


def _reporting(files: Files | None, progress: ReportProgress | None) -> Files:
    """`files`, which from now on reports its decoding to `progress` as the stage `data`."""
    found = files or Files()
    if progress is None:
        return found
    started = time.monotonic()

    def report(done: int, total: int) -> None:
        progress(Progress("data", done, total, done, time.monotonic() - started))

    found.report = report
    return found


def _manifest(
    spec: CompetitionSpec, store: ArtifactStore, hidden: Photographs, practice: Photographs, *, skipped: int
) -> DataManifest:
    packed = pack_photographs(hidden)
    return DataManifest(
        source=spec.data.source,
        photographs=store.put_named_by_digest("data/photographs", packed, ".safetensors"),
        images=len(hidden),
        identities=len(np.unique(hidden.identities)),
        class_counts=tuple(np.bincount(hidden.labels, minlength=hidden.classes).tolist()),
        class_names=spec.class_names,
        practice_images=len(practice),
        practice_identities=len(np.unique(practice.identities)),
        skipped=skipped,
    )


def _prepared_practice(
    bundles: tuple[ArtifactRef, ArtifactRef], original: ModelRecord, counts: Counts
) -> PreparedPractice:
    visible, evaluation = bundles
    return PreparedPractice(visible=visible, evaluation=evaluation, original=original.checkpoint, counts=counts)


def practice_split(spec: CompetitionSpec) -> SplitSpec:
    """The split of the practice data: as that of the hidden data, but without a final one, with the practice seed, by
    the fraction instead of a number or a list, and by identity instead of the published rule, whose people are not in
    the practice data.
    """
    forget_by = "identity" if spec.split.forget_by == "published" else spec.split.forget_by
    drawn = {"forget": "", "forget_count": 0, "difficulty": ""}
    return spec.split.model_copy(update={"seed": spec.practice.seed, "final": False, "forget_by": forget_by} | drawn)


def draw(
    photographs: Photographs,
    split: SplitSpec,
    spec: CompetitionSpec,
    collection: Collection | None = None,
    memorisation: Floats | None = None,
) -> Splits:
    """Split the photographs as `split` says; raises DataError where that cannot be.

    Without `memorisation`, which a pilot finds, `difficulty` is left out: a split of the same sizes, to estimate by.
    """
    return draw_splits(
        photographs.identities,
        photographs.labels,
        split,
        batch_size=spec.evaluation.batch_size,
        hidden=None if collection is None else collection.is_hidden,
        forgotten=None if collection is None else collection.forgotten,
        memorisation=memorisation,
    )


def _draw_practice(spec: CompetitionSpec, photographs: Photographs) -> Split:
    """The split of the practice data; raises DataError, which says that it is about them."""
    try:
        return draw(photographs, practice_split(spec), spec).public
    except DataError as error:
        raise DataError(f"the {len(photographs)} photographs to practise on cannot be split: {error}") from error


def _store_practice(
    store: ArtifactStore, photographs: Photographs, spec: CompetitionSpec, split: Split
) -> tuple[tuple[ArtifactRef, ArtifactRef], Counts]:
    """Store the bundles of the practice data, and count it."""
    bundles = _store_bundles(store, photographs, split, spec.model_copy(update={"split": practice_split(spec)}))
    return bundles, count_split(photographs, split)


def _store_bundles(
    store: ArtifactStore, photographs: Photographs, split: Split, spec: CompetitionSpec
) -> tuple[ArtifactRef, ArtifactRef]:
    """Store the visible and the evaluation bundle."""
    folder = f"data/{digest(photographs)[:16]}"
    if spec.split.seed is None:
        raise ValueError("split.seed was not drawn")
    anonymous = anonymise(photographs.identities, spec.split.seed)
    visible = visible_bundle(photographs, split, anonymous)
    evaluation = evaluation_bundle(photographs, split, anonymous, spec.split.seed)
    return (
        store.put_named_by_digest(f"{folder}/visible", visible, ".safetensors"),
        store.put_named_by_digest(f"{folder}/evaluation", evaluation, ".safetensors"),
    )


def count_split(photographs: Photographs, split: Split) -> Counts:
    """Return how many photographs and people are in each part of a split."""
    return Counts(
        retain=len(split.retain),
        forget=len(split.forget),
        validation=len(split.validation),
        test=len(split.test),
        retain_sample=len(split.retain_sample),
        left_out=len(photographs) - sum(map(len, (split.retain, split.forget, split.validation, split.test))),
        identities=len(np.unique(photographs.identities)),
        forget_identities=len(np.unique(photographs.identities[split.forget])),
        classes=photographs.classes,
    )


def _figures(
    store: ArtifactStore, photographs: Photographs, split: Split, original: ModelRecord, oracles: list[ModelRecord]
) -> Figures:
    first = read_outputs(store.get(original.outputs)).accuracy
    pool = stack_outputs([read_outputs(store.get(oracle.outputs)) for oracle in oracles]).accuracy
    most_frequent = np.bincount(photographs.labels[split.retain]).argmax()
    return Figures(
        original_retain_accuracy=first["retain"],
        original_forget_accuracy=first["forget"],
        original_validation_accuracy=first["validation"],
        original_test_accuracy=first["test"],
        oracle_retain_accuracy=float(pool["retain"].mean()),
        oracle_forget_accuracy=float(pool["forget"].mean()),
        oracle_test_accuracy=float(pool["test"].mean()),
        retrain_wall_s=float(np.mean([oracle.wall_s for oracle in oracles])),
        chance=1 / photographs.classes,
        majority=float(np.mean(photographs.labels[split.test] == most_frequent)),
    )
