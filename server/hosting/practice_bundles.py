"""Makes a competition's practice bundle and publishes it: without practice oracles first, with them once all exist."""

from lethe.evaluator.artifacts import ArtifactMissing, ArtifactStore
from lethe.evaluator.artifacts.oracles import load_pool, read_identity, trained_indices
from lethe.evaluator.artifacts.outputs import StackedOutputs
from lethe.evaluator.artifacts.practice_bundle import write_bundle
from lethe.evaluator.contract.bank import practice_bank
from lethe.evaluator.contract.practice import PRACTICE_FORMAT, practice_facts
from lethe.evaluator.contract.prepared_competition import PracticeFile, PreparedCompetition, PreparedPractice
from lethe.evaluator.contract.specification import CompetitionSpec
from lethe.server.competitions import service
from lethe.server.context import Context
from lethe.server.logs import get_logger

log = get_logger(__name__)


def store_bundle(
    artifacts: ArtifactStore, spec: CompetitionSpec, practice: PreparedPractice, oracles: StackedOutputs | None = None
) -> PreparedPractice:
    """Store the bundle of `practice`, with these oracles' outputs, and return `practice` with the reference to it."""
    data = write_bundle(
        practice_facts(spec),
        visible=artifacts.get(practice.visible),
        evaluation=artifacts.get(practice.evaluation),
        original=artifacts.get(practice.original),
        oracles=oracles,
    )
    file = PracticeFile(
        artifact=artifacts.put_named_by_digest(f"practice/{spec.slug}", data, ".safetensors"),
        size_bytes=len(data),
        oracles=0 if oracles is None else len(oracles),
        format=PRACTICE_FORMAT,
    )
    return practice.model_copy(update={"bundle": file})


def publish(context: Context, slug: str) -> None:
    """Publish the bundle with the practice oracles if all of them are trained, else one without.

    What is published already is not made again. A former bundle stays in the store, so downloads of it can finish.
    Without the practice data none is made, which is logged.
    """
    with context.database.read() as session:
        competition = service.get_competition(session, slug, drafts=True)
    spec, prepared = service.specification(competition), service.prepared_competition(competition)
    wanted = spec.practice.oracles if _is_seeded(context.artifacts, spec, prepared) else 0
    published = prepared.practice.bundle
    if published is not None and (published.format, published.oracles) == (PRACTICE_FORMAT, wanted):
        return
    oracles = None
    if wanted:
        oracles = load_pool(context.artifacts, _bank_digest(context.artifacts, prepared), range(wanted))
    try:
        practice = store_bundle(context.artifacts, spec, prepared.practice, oracles)
    except ArtifactMissing as error:
        log.warning("practice_bundle_not_made", competition=slug, error=str(error))
        return
    with context.database.write() as session:
        locked = service.lock_competition(session, slug)
        now = service.prepared_competition(locked)
        locked.prepared = now.model_copy(update={"practice": practice}).model_dump(mode="json")


def _is_seeded(artifacts: ArtifactStore, spec: CompetitionSpec, prepared: PreparedCompetition) -> bool:
    trained = trained_indices(artifacts, _bank_digest(artifacts, prepared))
    return set(range(spec.practice.oracles)) <= set(trained)


def _bank_digest(artifacts: ArtifactStore, prepared: PreparedCompetition) -> str:
    return practice_bank(read_identity(artifacts, prepared.public.bank_digest), prepared.practice).digest
