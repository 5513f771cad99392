"""Create a competition, open it, start its finals and rerun submissions, for the admin commands.

The only module of the server that reaches into the evaluator's training side; it is never imported by `serve`.
"""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from lethe.evaluator.contract.audits import AuditRecord, audit_plan
from lethe.evaluator.contract.bank import changed_ingredients
from lethe.evaluator.contract.parts import task_specs
from lethe.evaluator.contract.phrases import count_text
from lethe.evaluator.contract.prepared_competition import Counts, PreparedCompetition, PreparedSplit
from lethe.evaluator.contract.specification import CompetitionSpec
from lethe.evaluator.contract.states import Evaluation
from lethe.server.audit_log.events import record
from lethe.server.competitions import service
from lethe.server.competitions.queries import find_competition
from lethe.server.context import Context, create_context
from lethe.server.database.migration import is_empty, migrate, require_newest
from lethe.server.errors import ConfigurationError
from lethe.server.hosting import actions, cost, finals
from lethe.server.hosting.calibration import calibrate, require_ready
from lethe.server.hosting.creation_warnings import figure_warnings, forget_gap
from lethe.server.hosting.practice_bundles import store_bundle
from lethe.server.hosting.unfinished_creations import creation_at_work
from lethe.server.leaderboard.measures import unknown_columns
from lethe.server.models import Competition
from lethe.server.scoring.queries import reference_scores
from lethe.server.settings import Settings
from lethe.server.submissions import completion, reruns

if TYPE_CHECKING:
    from lethe.evaluator.banks.seeding import Progress
    from lethe.evaluator.data.sources import Files
    from lethe.evaluator.preparation import Look

ReportProgress = Callable[["Progress"], None]


class UnknownMeasure(ConfigurationError):
    """The specification names a measure that there is not."""

    code = "unknown_measure"


@dataclass(frozen=True)
class Created:
    """A created competition. `audit` is one of the original, which shows what audits cost; None without audits."""

    spec: CompetitionSpec
    prepared: PreparedCompetition
    audit: AuditRecord | None


def open_context(settings: Settings, *, makes_site: bool = False) -> Context:
    """Return a context on the site's database; with `makes_site` it is made where there is none.

    Raises ConfigurationError without a site, and for a database with another schema: only `lethe migrate` and
    `lethe up` change that, because a `serve` of the former version may still run on it.
    """
    if not makes_site and settings.is_empty_home:
        raise ConfigurationError(
            f"there is no site in {settings.home}; lethe up makes one. If yours is elsewhere, run this as its user and "
            "with its settings: LETHE_HOME, LETHE_DATABASE_URL"
        )
    context = create_context(settings)
    context.database.require_answer()
    if makes_site and is_empty(context.database):
        migrate(context.database)
    require_newest(context.database)
    return context


def create(
    context: Context,
    spec: CompetitionSpec,
    *,
    files: "Files | None" = None,
    jobs: int | None,
    progress: ReportProgress,
    look: "Look | None" = None,
) -> Created:
    """Prepare data and models, then store the competition as a draft.

    `look` is called before any training with what was read, also when it is then refused. Raises CompetitionExists and
    UnknownMeasure before any work. If it fails or is killed, nothing that it stored stays.

    Seeds that the specification leaves out are drawn here and kept in the database only.
    """
    from lethe.evaluator.banks.audits import audit_original
    from lethe.evaluator.banks.seeding import FIRST_ORACLES
    from lethe.evaluator.task_preparation import prepare_tasks

    _require_measures(spec)
    seeded = spec.with_seeds(lambda: secrets.randbits(63))
    with context.database.read() as session:
        existing = find_competition(session, spec.slug, drafts=True)
        if existing is not None:
            raise service.CompetitionExists(_differences(existing, spec))
    with creation_at_work(context) as creation:
        prepared = prepare_tasks(seeded, creation.store, files=files, jobs=jobs, progress=progress, look=look)
        seeded = seeded.with_time_budget(max(task.public.figures.retrain_wall_s for task in prepared.tasks))
        practice = store_bundle(creation.store, seeded, prepared.practice)
        prepared = prepared.model_copy(update={"practice": practice})
        audit = None
        if (plan := audit_plan(seeded, prepared.public)) is not None:
            trained = plan.model_copy(update={"references": plan.references[:FIRST_ORACLES]})
            audit = audit_original(trained, creation.store)
        with context.database.write() as session:
            creation.require_held(session)
            competition = service.create(session, seeded, prepared)
            record(session, "competition.create", spec.slug, competition=competition)
    return Created(seeded, prepared, audit)


def _require_measures(spec: CompetitionSpec) -> None:
    unknown = unknown_columns(spec.measures.columns)
    for key, alike in unknown.items():
        near = f" Did you mean {' or '.join(alike)}?" if alike else ""
        raise UnknownMeasure(f"measures.columns: {key!r} is no value of a measure; docs/metric.md lists them.{near}")


def _differences(existing: Competition, spec: CompetitionSpec) -> str:
    """Return what a changed specification would mean for the models of a competition that exists."""
    stored = service.specification(existing)
    changed = changed_ingredients(stored, spec)
    if not changed:
        return f"A competition called {spec.slug!r} exists. Choose another slug in the specification."
    prepared = service.prepared_once(existing)
    count = cost.count_models(spec)
    return (
        f"A competition called {spec.slug!r} exists and was made from something else: {'; '.join(changed)}. It goes on "
        f"as it is. A competition made from this file, under another slug, has {count} models to train; one took "
        f"{prepared.public.figures.retrain_wall_s:.1f} s in the existing one."
    )


def describe(created: Created) -> str:
    """Return what the host wants to know of a new competition, in a few lines."""
    lines = []
    for spec, prepared, task in zip(
        task_specs(created.spec),
        created.prepared.tasks,
        created.spec.tasks or (None,),
        strict=True,
    ):
        if task is not None:
            lines.append(f"task {task.name}, weight {task.weight:g}")
        lines += _describe_task(spec, prepared)
    if created.spec.evaluation.originals > 1:
        lines.append(f"{created.spec.evaluation.originals} original models of each split; the first is shown")
    lines.append(_memory(created))
    figures = created.prepared.public.figures
    lines.append(
        f"chance {figures.chance:.3f} · most frequent class {figures.majority:.3f} · "
        f"retraining takes {figures.retrain_wall_s:.1f} s, a run may take {created.spec.limits.run_wall_s:.1f} s"
    )
    if created.audit is not None:
        lines.append(describe_audits(created.spec.audits.runs, [created.audit]))
    lines.append(cost.in_short(created.spec, created.prepared))
    lines += [f"warning: {one.text}" for one in figure_warnings(created.spec, created.prepared)]
    lines.append(f"next: lethe admin oracles seed {created.spec.slug}")
    return "\n".join(lines)


def _describe_task(spec: CompetitionSpec, prepared: PreparedCompetition) -> list[str]:
    """Return what the host wants to know of a task's data, network and splits."""
    data = prepared.data
    lines = [
        f"{data.source}: {count_text(data.images, 'photograph')}{_people(data.identities, data.images)}; "
        f"for practice {data.practice_images}{_people(data.practice_identities, data.practice_images)}",
        f"classes: {min(data.class_counts)} to {max(data.class_counts)} photographs each",
    ]
    if data.skipped:
        lines.append(f"skipped: {data.skipped} file{'s' if data.skipped > 1 else ''} that cannot be used")
    if (network := prepared.network) is not None:
        name = spec.model.network.name
        lines.append(f"network {name}: {network.weights:,} weights; layers {', '.join(network.layers)}")
    if (pilot := prepared.pilot) is not None:
        lines.append(
            f"difficulty {spec.split.difficulty}: memorisation {pilot.forget_memorisation:.3f} on the forget "
            f"set, {pilot.other_memorisation:.3f} elsewhere, by a pilot of {pilot.models} models, "
            f"{pilot.model_s:.1f} s each"
        )
    return lines + [line for name, split in prepared.splits.items() for line in _describe_split(name, split)]


def describe_audits(runs: int, measured: Sequence[AuditRecord]) -> str:
    """Return what audits of `runs` runs of each submission cost, by those that were done on this machine."""
    each_s = [one.wall_s for one in measured if one.quantities]
    if not each_s:
        reasons = "; ".join(sorted({one.missing for one in measured})) or "none was done"
        return f"audits of {runs} runs of each submission; how long one takes is not known: {reasons}"
    mean_s = sum(each_s) / len(each_s)
    return f"audits of {runs} runs of each submission, {runs * mean_s:.0f} s together: one took {mean_s:.1f} s here"


def _memory(created: Created) -> str:
    """Return what the images that guests hold take of their memory."""
    size = 3 * created.spec.data.image_size**2
    hidden, practice = created.prepared.public.counts, created.prepared.practice.counts
    held = {"hidden runs": hidden} | ({} if practice is None else {"checks": practice})
    shown = [
        f"{size * (one.retain + one.forget + one.validation) / 2**20:.1f} MiB in {name}" for name, one in held.items()
    ]
    limit = created.spec.limits.memory_bytes / 2**20
    return f"guests hold their images in memory: {', '.join(shown)}, of {limit:,.0f} MiB"


def _describe_split(name: str, split: PreparedSplit) -> list[str]:
    counts, figures = split.counts, split.figures
    return [
        f"{name} split: {counts.retain} retain, {counts.forget} forget"
        f"{_people(counts.forget_identities, counts.forget)}, "
        f"{counts.validation} validation, {counts.test} test{_left_out(counts)}",
        "accuracy    retain  forget  test",
        f"original    {figures.original_retain_accuracy:.3f}   {figures.original_forget_accuracy:.3f}   "
        f"{figures.original_test_accuracy:.3f}",
        f"oracles     {figures.oracle_retain_accuracy:.3f}   {figures.oracle_forget_accuracy:.3f}   "
        f"{figures.oracle_test_accuracy:.3f}",
        f"to forget: {100 * forget_gap(split):.0f} points on the forget set",
    ]


def _left_out(counts: Counts) -> str:
    """Return how many photographs are used for nothing, and why."""
    return f"; {counts.left_out} left out, since batch norm trains on no batch of one" if counts.left_out else ""


def _people(identities: int, images: int) -> str:
    """Return how many people are on the photographs; empty if the source does not say who is on them."""
    return f" of {identities} people" if identities < images else ""


def open_competition(context: Context, slug: str) -> Competition:
    """Publish the competition, or open it again; raises NotSeeded while oracles are missing, and CeilingTooLow."""
    spec, prepared = _stored(context, slug)
    require_ready(context.artifacts, spec, prepared, Evaluation.PUBLIC)
    with context.database.write() as session:
        return actions.open_competition(session, slug)


def plan_finals(context: Context, slug: str) -> finals.Plan:
    """Return what the final evaluation would run; raises NotSeeded while its oracles are missing."""
    spec, prepared = _stored(context, slug)
    require_ready(context.artifacts, spec, prepared, Evaluation.FINAL)
    with context.database.read() as session:
        return finals.plan(session, service.get_competition(session, slug))


def start_finals(context: Context, slug: str) -> finals.Progress:
    """Queue the final evaluations and store the reference rows of their board; repeated, return the progress."""
    spec, prepared = _stored(context, slug)
    require_ready(context.artifacts, spec, prepared, Evaluation.FINAL)
    with context.database.write() as session:
        found = finals.start(session, slug)
        competition = service.get_competition(session, slug)
        has_references = bool(reference_scores(session, competition, Evaluation.FINAL))
    if not has_references:
        calibrate(context, slug)
    context.wake.workers()
    return found


def start_benchmark(context: Context, slug: str) -> Competition:
    """Take uploads to a revealed competition as a benchmark; raises NotSeeded if public oracles are missing."""
    spec, prepared = _stored(context, slug)
    require_ready(context.artifacts, spec, prepared, Evaluation.PUBLIC)
    with context.database.write() as session:
        return actions.start_benchmark(session, slug)


def end_benchmark(context: Context, slug: str) -> Competition:
    """Take no more uploads to a benchmark."""
    with context.database.write() as session:
        return actions.end_benchmark(session, slug)


def rerun(context: Context, submission: str, *, fresh_seeds: bool) -> UUID:
    """Open a new generation of an ended submission, named as `find_submission` takes it, and return its id.

    Its score stays on the board until the new one is there.
    """
    with context.database.write() as session:
        found = actions.find_submission(session, submission)
        reruns.rerun(session, found, fresh_seeds=fresh_seeds)
    context.wake.workers()
    return found.id


def complete(context: Context, submission: str) -> UUID:
    """Let a submission that a look has stopped, named as `find_submission` takes it, run whole; return its id."""
    with context.database.write() as session:
        found = actions.find_submission(session, submission)
        completion.complete(session, found)
    context.wake.workers()
    return found.id


def _stored(context: Context, slug: str) -> tuple[CompetitionSpec, PreparedCompetition]:
    with context.database.read() as session:
        competition = service.get_competition(session, slug, drafts=True)
    return service.specification(competition), service.prepared_competition(competition)
