"""What a host does with data, models and oracles: create, seed, calibrate, open, rerun. Used by the admin commands.

The only module of the server that reaches into the evaluator's training side; it is never imported by `serve`.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np
from sqlalchemy import delete, select

from evaluator.artifacts import ArtifactStore
from evaluator.artifacts.oracles import read_record, trained_indices
from evaluator.contract.bank import changed_ingredients
from evaluator.contract.prepared_competition import PreparedCompetition, PreparedSplit
from evaluator.contract.specification import CompetitionSpec
from evaluator.contract.specification_file import SpecificationError, load_specification
from evaluator.contract.states import Evaluation
from evaluator.metrics import METRIC_VERSION, Score
from server import models
from server.audit_log.events import record
from server.competitions import service
from server.competitions.oracle_pools import oracle_pools
from server.context import Context, create_context
from server.database.migration import migrate
from server.errors import Conflict
from server.hosting import actions, finals
from server.leaderboard.standings import mark_board_changed
from server.scoring.reference_set import load_reference_set
from server.scoring.scorer import score_row
from server.settings import Settings
from server.submissions import reruns

if TYPE_CHECKING:
    from evaluator.banks.seeding import Progress
    from evaluator.data.sources import Files

ReportProgress = Callable[["Progress"], None]
SHIPPED = Path(str(files("server.competitions"))) / "specs"


class NotSeeded(Conflict):
    """The bank lacks oracles."""

    code = "oracles_missing"


@dataclass(frozen=True)
class Created:
    """A created competition."""

    spec: CompetitionSpec
    prepared: PreparedCompetition


def open_context(settings: Settings) -> Context:
    """A context on a database at the newest schema."""
    context = create_context(settings)
    migrate(context.database)
    return context


def read_specification(path: Path) -> CompetitionSpec:
    """The specification in a file, or the shipped one of that name; raises SpecificationError with what to correct."""
    shipped = SHIPPED / f"{path}.toml"
    if not path.exists() and shipped.is_file():
        return load_specification(shipped)
    if not path.exists():
        names = ", ".join(sorted(found.stem for found in SHIPPED.glob("*.toml")))
        raise SpecificationError(f"{path} does not exist. Shipped specifications: {names}")
    return load_specification(path)


def create(
    context: Context, spec: CompetitionSpec, *, files: "Files | None" = None, jobs: int | None, progress: ReportProgress
) -> Created:
    """Prepare data and models, then store the competition as a draft; raises CompetitionExists before any work.

    Seeds that the specification leaves out are drawn here and kept in the database only.
    """
    from evaluator.preparation import prepare

    seeded = spec.with_seeds(lambda: secrets.randbits(63))
    with context.database.read() as session:
        existing = session.scalar(select(models.Competition).where(models.Competition.slug == spec.slug))
        if existing is not None:
            raise service.CompetitionExists(_what_is_there(existing, spec))
    prepared = prepare(seeded, context.artifacts, files=files, jobs=jobs, progress=progress)
    seeded = seeded.with_time_budget(prepared.public.figures.retrain_wall_s)
    with context.database.write() as session:
        competition = service.create(session, seeded, prepared)
        record(session, "competition.create", spec.slug, competition=competition)
    return Created(seeded, prepared)


def _what_is_there(existing: models.Competition, spec: CompetitionSpec) -> str:
    """What a changed file would mean for the models of a competition that exists."""
    stored = service.specification(existing)
    changed = changed_ingredients(stored, spec)
    if not changed:
        return f"A competition called {spec.slug!r} exists. Choose another slug in the specification."
    prepared = service.prepared_competition(existing)
    count = len(prepared.splits) * (wanted_oracles(spec) + 1) + 1
    return (
        f"A competition called {spec.slug!r} exists and was made from something else: {'; '.join(changed)}. It goes on "
        f"as it is. A competition made from this file, under another slug, has {count} models to train; one took "
        f"{prepared.public.figures.retrain_wall_s:.1f} s in the existing one."
    )


def describe(created: Created) -> str:
    """What the host wants to know of a new competition, in a few lines."""
    data = created.prepared.data
    lines = [
        f"{data.source}: {data.images} photographs{_people(data.identities, data.images)}; "
        f"for practice {data.practice_images}{_people(data.practice_identities, data.practice_images)}",
        f"classes: {min(data.class_counts)} to {max(data.class_counts)} photographs each",
    ]
    if data.skipped:
        lines.append(f"skipped: {data.skipped} file{'s' if data.skipped > 1 else ''} that cannot be used")
    lines += [line for name, split in created.prepared.splits.items() for line in _describe_split(name, split)]
    figures = created.prepared.public.figures
    lines.append(
        f"chance {figures.chance:.3f} · most frequent class {figures.majority:.3f} · "
        f"retraining takes {figures.retrain_wall_s:.1f} s, a run may take {created.spec.limits.run_wall_s:.1f} s"
    )
    lines.append(f"next: lethe admin oracles seed {created.spec.slug}")
    return "\n".join(lines)


def _describe_split(name: str, split: PreparedSplit) -> list[str]:
    counts, figures = split.counts, split.figures
    gap = figures.original_forget_accuracy - figures.oracle_forget_accuracy
    lines = [
        f"{name} split: {counts.retain} retain, {counts.forget} forget"
        f"{_people(counts.forget_identities, counts.forget)}, "
        f"{counts.validation} validation, {counts.test} test",
        "accuracy    retain  forget  test",
        f"original    {figures.original_retain_accuracy:.3f}   {figures.original_forget_accuracy:.3f}   "
        f"{figures.original_test_accuracy:.3f}",
        f"oracles     {figures.oracle_retain_accuracy:.3f}   {figures.oracle_forget_accuracy:.3f}   "
        f"{figures.oracle_test_accuracy:.3f}",
        f"to forget: {100 * gap:.0f} points on the forget set",
    ]
    if gap < 0.15:
        lines.append("warning: the original model hardly remembers the forget set; there is little to unlearn")
    return lines


def _people(identities: int, images: int) -> str:
    """How many people are on the photographs; nothing where the source knows no persons."""
    return f" of {identities} people" if identities < images else ""


def wanted_oracles(spec: CompetitionSpec) -> int:
    """Oracles to score against, and as many others for the ceiling."""
    return spec.evaluation.oracles + spec.evaluation.ceiling_oracles


def calibrate(context: Context, slug: str) -> list[dict[str, Any]]:
    """Ceiling and floor of each split whose bank is full, with the seconds that retraining takes (mean of the oracles).

    They become reference rows of the boards of both evaluations. Raises NotSeeded when public oracles are missing.
    """
    spec, prepared = _stored(context, slug)
    _require_seeded(context.artifacts, spec, prepared.public)
    rows = []
    for evaluation in Evaluation:
        against = oracle_pools(spec, prepared, evaluation)
        if _missing(context.artifacts, spec, against.split):
            continue
        reference_set = load_reference_set(context.artifacts, spec.metric, against)
        scores = {"ceiling": reference_set.ceiling, "floor": reference_set.floor(spec.evaluation.runs)}
        _store_references(context, slug, evaluation, scores, against.split.bank_digest)
        if evaluation not in prepared.splits:
            continue  # the public split again, with the two pools exchanged
        digest = against.split.bank_digest
        records = [read_record(context.artifacts, digest, index) for index in range(wanted_oracles(spec))]
        retrain_s = float(np.mean([one.wall_s for one in records]))
        rows += [
            {
                "split": evaluation.value,
                "reference": reference,
                "score": score.final_score,
                "low": score.interval[0],
                "high": score.interval[1],
                "forgetting_quality": score.forgetting_quality,
                "retrain_s": retrain_s,
            }
            for reference, score in scores.items()
        ]
    return rows


def _store_references(
    context: Context, slug: str, evaluation: Evaluation, scores: dict[str, Score], bank_digest: str
) -> None:
    with context.database.write() as session:
        competition = service.get_competition(session, slug, drafts=True)
        session.execute(
            delete(models.Score).where(
                models.Score.competition_id == competition.id,
                models.Score.evaluation == evaluation,
                models.Score.reference.is_not(None),
            )
        )
        for name, score in scores.items():
            row = score_row(competition.id, score, {"bank_digest": bank_digest, "metric_version": METRIC_VERSION})
            row.reference, row.evaluation = name, evaluation
            session.add(row)
        mark_board_changed(session, competition.id)
        record(session, "competition.calibrate", slug, competition=competition, evaluation=evaluation)


def open_competition(context: Context, slug: str) -> models.Competition:
    """Publish the competition, or open it again; raises NotSeeded while oracles are missing."""
    spec, prepared = _stored(context, slug)
    _require_seeded(context.artifacts, spec, prepared.public)
    with context.database.write() as session:
        return actions.open_competition(session, slug)


def plan_finals(context: Context, slug: str) -> finals.Plan:
    """What the final evaluation would run; raises NotSeeded while its oracles are missing."""
    spec, prepared = _stored(context, slug)
    _require_seeded(context.artifacts, spec, oracle_pools(spec, prepared, Evaluation.FINAL).split)
    with context.database.read() as session:
        return finals.plan(session, service.get_competition(session, slug))


def start_finals(context: Context, slug: str) -> finals.Progress:
    """Queue the final evaluations and store the reference rows of their board."""
    spec, prepared = _stored(context, slug)
    _require_seeded(context.artifacts, spec, oracle_pools(spec, prepared, Evaluation.FINAL).split)
    with context.database.write() as session:
        found = finals.start(session, slug)
    calibrate(context, slug)
    context.wake.workers()
    return found


def rerun(context: Context, submission_id: UUID, *, fresh_seeds: bool) -> None:
    """Open a new generation of an ended submission; its score stays on the board until the new one is there."""
    with context.database.write() as session:
        reruns.rerun(session, actions.find_submission(session, submission_id), fresh_seeds=fresh_seeds)
    context.wake.workers()


def _stored(context: Context, slug: str) -> tuple[CompetitionSpec, PreparedCompetition]:
    with context.database.read() as session:
        competition = service.get_competition(session, slug, drafts=True)
    return service.specification(competition), service.prepared_competition(competition)


def _require_seeded(artifacts: ArtifactStore, spec: CompetitionSpec, split: PreparedSplit) -> None:
    missing = _missing(artifacts, spec, split)
    if missing:
        raise NotSeeded(
            f"{missing} of {wanted_oracles(spec)} oracles are missing. Run: lethe admin oracles seed {spec.slug}"
        )


def _missing(artifacts: ArtifactStore, spec: CompetitionSpec, split: PreparedSplit) -> int:
    """How many oracles the bank of a split lacks."""
    return int((~np.isin(np.arange(wanted_oracles(spec)), trained_indices(artifacts, split.bank_digest))).sum())
