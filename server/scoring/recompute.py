"""Computes stored scores again from stored outputs: nothing is run, and no GPU is needed."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from lethe.evaluator.artifacts import ArtifactError, ArtifactStoreAway
from lethe.evaluator.artifacts.outputs import OutputsInvalid
from lethe.evaluator.contract.parts import Part, count_parts, part_pools
from lethe.evaluator.contract.prepared_competition import ArtifactRef, PreparedCompetition
from lethe.evaluator.contract.specification import CompetitionSpec, MetricSpec
from lethe.evaluator.contract.states import Evaluation
from lethe.evaluator.metrics import ScoreFinding
from lethe.evaluator.scoring.parts import combined_score
from lethe.evaluator.scoring.reference_set import ReferenceSet, load_reference_set
from lethe.server.competitions.service import specification
from lethe.server.context import Context
from lethe.server.models import Competition, Score
from lethe.server.models.score import METRIC_COLUMNS
from lethe.server.scoring import queries
from lethe.server.scoring.queries import run_items
from lethe.server.scoring.scorer import MetricScore, score_numbers, score_part, unrepeatable_runs
from lethe.server.scoring.stored_outputs import RunOutputs, RunsUnusable, read_runs, run_outputs

ReportProgress = Callable[[int, int], None]
References = list[tuple[Part, ReferenceSet]]
"""The parts of an evaluation, each with what it is scored against."""


@dataclass(frozen=True)
class Stored:
    """A stored score, detached from the database, and where the outputs of its parts lie; references have none."""

    score_id: UUID
    title: str
    evaluation: Evaluation
    reference: str | None
    numbers: dict[str, Any]
    receipt: dict[str, Any]
    outputs: tuple[RunOutputs, ...]
    source: ArtifactRef | None
    run_findings: tuple[ScoreFinding, ...] = ()

    def metric(self, default: MetricSpec) -> MetricSpec:
        """Return the rule that the score was computed with, by its receipt."""
        return metric_of_receipt(self.receipt, default)


@dataclass(frozen=True, eq=False)
class Recomputed:
    """`score` is None if the outputs or the source cannot be read; `problem` then says why."""

    stored: Stored
    metric: MetricSpec
    score: MetricScore | None
    findings: tuple[ScoreFinding, ...] = ()
    problem: str = ""

    @property
    def numbers(self) -> dict[str, Any]:
        """Return the new values of the score's columns."""
        assert self.score is not None  # noqa: S101 - asked for only where there is one
        return score_numbers(self.score)


def metric_of_receipt(receipt: Mapping[str, Any], default: MetricSpec) -> MetricSpec:
    """Return the rule that a score was computed with; older receipts name a part of it, and `default` has the rest."""
    named = {name: receipt[name] for name in ("rule", "cap_ratios") if name in receipt}
    return MetricSpec.model_validate(default.model_dump() | named)


def stored_scores(session: Session, competition: Competition) -> list[Stored]:
    """Return the newest score of each submission, of both evaluations, then those of ceiling and floor."""
    count = count_parts(specification(competition))
    of_submissions = [
        _stored(
            score,
            title=f"{submission.id} of {team}",
            outputs=tuple(run_outputs(session, submission, score.generation, part=part) for part in range(count)),
            run_findings=unrepeatable_runs(run_items(session, submission, score.generation)),
            source=ArtifactRef(key=submission.source_key, sha256=submission.source_sha256),
        )
        for score, submission, team in queries.newest_scores(session, competition)
    ]
    references = queries.reference_scores(session, competition)
    return of_submissions + [_stored(score, title=f"{score.evaluation} {score.reference}") for score in references]


def _stored(
    score: Score,
    *,
    title: str,
    outputs: tuple[RunOutputs, ...] = (),
    source: ArtifactRef | None = None,
    run_findings: tuple[ScoreFinding, ...] = (),
) -> Stored:
    return Stored(
        score_id=score.id,
        title=title,
        evaluation=Evaluation(score.evaluation),
        reference=score.reference,
        numbers={name: getattr(score, name) for name in (*METRIC_COLUMNS, "replicates")},
        receipt=score.receipt,
        outputs=outputs,
        source=source,
        run_findings=run_findings,
    )


def recompute(
    context: Context,
    spec: CompetitionSpec,
    prepared: PreparedCompetition,
    scores: Iterable[Stored],
    metric_of: Callable[[Stored], MetricSpec],
) -> Iterator[Recomputed]:
    """Yield each score computed again under the metric that `metric_of` gives it.

    A result names outputs that are missing or damaged. Raises ArtifactStoreAway, and ArtifactError when the oracles
    cannot be read.
    """
    reference_sets: dict[tuple[Evaluation, str], References] = {}
    for stored in scores:
        metric = metric_of(stored)
        key = (stored.evaluation, metric.model_dump_json())
        if key not in reference_sets:
            reference_sets[key] = [
                (one.part, load_reference_set(context.artifacts, metric, one.against))
                for one in part_pools(spec, prepared, stored.evaluation)
            ]
        yield _recompute_one(context, spec, stored, metric, reference_sets[key])


def reference_score(spec: CompetitionSpec, metric: MetricSpec, name: str, references: References) -> MetricScore:
    """Return the score of `ceiling` or `floor` over all parts."""
    scored = [
        (part, one, one.ceiling if name == "ceiling" else one.floor(spec.evaluation.runs)) for part, one in references
    ]
    return combined_score(spec, metric, scored)


def _recompute_one(
    context: Context, spec: CompetitionSpec, stored: Stored, metric: MetricSpec, references: References
) -> Recomputed:
    findings: list[ScoreFinding] = []
    scored = []
    try:
        if stored.source is None:
            return Recomputed(stored, metric, reference_score(spec, metric, str(stored.reference), references))
        context.artifacts.get(stored.source)
        for (part, reference_set), outputs in zip(references, stored.outputs, strict=True):
            found = score_part(part, reference_set, read_runs(context.artifacts, outputs))
            scored.append((part, reference_set, found.score))
            findings += found.findings
        score = combined_score(spec, metric, scored)
    except ArtifactStoreAway:
        raise
    except (RunsUnusable, ArtifactError, OutputsInvalid, ValueError) as error:
        return Recomputed(stored, metric, None, problem=f"{type(error).__name__}: {error}")
    return Recomputed(stored, metric, score, (*dict.fromkeys(findings), *stored.run_findings))
