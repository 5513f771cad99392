"""Rescoring: compute every score again, compare the boards, and replace all scores in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy.orm import Session

from lethe.evaluator.contract.phrases import count_text
from lethe.evaluator.contract.prepared_competition import PreparedCompetition
from lethe.evaluator.contract.specification import CompetitionSpec, MetricSpec
from lethe.evaluator.contract.states import Evaluation
from lethe.evaluator.metrics import METRIC_VERSION
from lethe.server.audit_log.events import record
from lethe.server.competitions.service import get_competition, lock_competition, prepared_competition, specification
from lethe.server.context import Context
from lethe.server.errors import Conflict
from lethe.server.leaderboard.standings import rebuild
from lethe.server.models import Competition, FormerScore, Score
from lethe.server.models.score import METRIC_COLUMNS
from lethe.server.scoring import queries
from lethe.server.scoring.recompute import Recomputed, ReportProgress, Stored, recompute, stored_scores

ROUNDS = 5
KEPT = (*METRIC_COLUMNS, "replicates", "breakdown", "receipt")


class OutputsMissing(Conflict):
    """Some scores cannot be computed again."""

    code = "outputs_missing"
    title = "Outputs are missing"


class MetricImpossible(Conflict):
    """The competition cannot be scored in this way."""

    code = "metric_impossible"
    title = "Metric is impossible"


class StillScoring(Conflict):
    """New scores kept arriving while the others were computed."""

    code = "still_scoring"
    title = "Scores keep arriving"


@dataclass(frozen=True)
class Place:
    """A team or a reference on a board; `rank` is None for baselines and references."""

    team: str
    score: float
    rank: int | None


@dataclass(frozen=True)
class Move:
    """A team before and after; of a reference row the ranks are None."""

    team: str
    old_score: float
    new_score: float
    old_rank: int | None
    new_rank: int | None


@dataclass(frozen=True, eq=False)
class Draft:
    """New scores beside the old ones, not stored yet. `moves` by evaluation, best new score first."""

    slug: str
    old_metric: MetricSpec
    new_metric: MetricSpec
    scores: dict[UUID, Recomputed]
    moves: dict[str, list[Move]]
    is_revealed: bool


def draft(context: Context, slug: str, changes: dict[str, Any], report: ReportProgress) -> Draft:
    """Return every score of `slug` under its metric with `changes`, and what the boards would be.

    Raises MetricImpossible when its pools do not fit the rule, and OutputsMissing when a score cannot be computed
    again: have that submission run again first.
    """
    scores: dict[UUID, Recomputed] = {}
    for _ in range(ROUNDS):
        with context.database.read() as session:
            competition = get_competition(session, slug, drafts=True)
            spec, prepared = specification(competition), prepared_competition(competition)
            waiting = _outdated(stored_scores(session, competition), scores)
        metric = _changed(spec, changes)
        scores |= _compute(context, spec, prepared, waiting, metric, report)
        made = Draft(slug, spec.metric, metric, scores, {}, is_revealed=competition.revealed_at is not None)
        moves = _preview(context, made)
        if moves is not None:
            return Draft(slug, spec.metric, metric, scores, moves, is_revealed=made.is_revealed)
    raise StillScoring(f"Scores of {slug} keep arriving. Pause it, wait until the queue is empty, and try again.")


def apply(context: Context, made: Draft, report: ReportProgress) -> Draft:
    """Store the draft and return what was stored: scores, metric and standings change in one transaction.

    Former scores are kept. Scores that arrived since the draft are computed first.
    """
    for _ in range(ROUNDS):
        with context.database.write() as session:
            if _exchange(session, made):
                return made
        changes = made.new_metric.model_dump()
        made = draft(context, made.slug, changes, report)
    raise StillScoring(f"Scores of {made.slug} keep arriving. Pause it, wait until the queue is empty, and try again.")


def _changed(spec: CompetitionSpec, changes: dict[str, Any]) -> MetricSpec:
    try:
        return CompetitionSpec.model_validate(spec.model_dump() | {"metric": spec.metric.model_dump() | changes}).metric
    except ValidationError as error:
        raise MetricImpossible("; ".join(fault["msg"] for fault in error.errors())) from error


def _compute(
    context: Context,
    spec: CompetitionSpec,
    prepared: PreparedCompetition,
    waiting: Sequence[Stored],
    metric: MetricSpec,
    report: ReportProgress,
) -> dict[UUID, Recomputed]:
    computed: dict[UUID, Recomputed] = {}
    report(0, len(waiting))
    for done, one in enumerate(recompute(context, spec, prepared, waiting, lambda _: metric), 1):
        computed[one.stored.score_id] = one
        report(done, len(waiting))
    failed = [one for one in computed.values() if one.score is None]
    if failed:
        raise OutputsMissing(
            f"{len(failed)} of {count_text(len(computed), 'score')} cannot be computed again, e.g. "
            f"{failed[0].stored.title} ({failed[0].problem}). Run them again (lethe admin submission rerun "
            "ID) or restore the artifacts; nothing was changed."
        )
    return computed


def _outdated(now: Sequence[Stored], computed: dict[UUID, Recomputed]) -> list[Stored]:
    """Return the scores that were not computed yet, or have changed since."""
    return [
        one
        for one in now
        if one.score_id not in computed
        or (computed[one.score_id].stored.numbers, computed[one.score_id].stored.receipt) != (one.numbers, one.receipt)
    ]


def _preview(context: Context, made: Draft) -> dict[str, list[Move]] | None:
    """Store `made`, roll back, and return what changed; None if scores have arrived since."""
    with context.database.write() as session:
        competition = get_competition(session, made.slug, drafts=True)
        before = {evaluation: _board(session, competition, evaluation) for evaluation in Evaluation}
        moves: dict[str, list[Move]] | None = None
        if _exchange(session, made):
            after = {evaluation: _board(session, competition, evaluation) for evaluation in Evaluation}
            moves = {name.value: _moves(before[name], after[name]) for name in Evaluation if before[name]}
        session.rollback()
    return moves


def _exchange(session: Session, made: Draft) -> bool:
    """Replace the old scores with the new ones; False, with nothing changed, if `made` is out of date."""
    competition = lock_competition(session, made.slug)
    spec = specification(competition)
    if spec.metric != made.old_metric or _outdated(stored_scores(session, competition), made.scores):
        return False
    for score_id, one in made.scores.items():
        score = session.get(Score, score_id)
        if score is None:
            return False
        session.add(
            FormerScore(score_id=score.id, scored_at=score.created_at, **{name: getattr(score, name) for name in KEPT})
        )
        for name, value in one.numbers.items():
            setattr(score, name, value)
        score.receipt = _receipt(score.receipt, one)
        score.plots = score.measures = None  # to be drawn and measured again
        score.shown_measures = {}
    competition.specification = spec.model_copy(update={"metric": made.new_metric}).model_dump(mode="json")
    for evaluation in Evaluation:
        rebuild(session, competition, evaluation)
    record(
        session,
        "competition.rescore",
        made.slug,
        competition=competition,
        scores=len(made.scores),
        metric_version=METRIC_VERSION,
        old=made.old_metric.model_dump(mode="json"),
        new=made.new_metric.model_dump(mode="json"),
    )
    return True


def _receipt(old: dict[str, Any], one: Recomputed) -> dict[str, Any]:
    changed: dict[str, Any] = {"metric_version": METRIC_VERSION}
    if one.stored.reference is None:
        changed["findings"] = [{"code": finding.code, "message": finding.message} for finding in one.findings]
    return old | changed | one.metric.model_dump(mode="json")


def _board(session: Session, competition: Competition, evaluation: Evaluation) -> dict[str, Place]:
    """Return every team and reference of a board by name, with unrounded scores."""
    teams = queries.team_scores(session, competition, evaluation)
    references = queries.reference_scores(session, competition, evaluation)
    places = {f"team {row.name}": Place(row.name, row.final_score, row.rank) for row in teams}
    return places | {
        f"reference {score.reference}": Place(str(score.reference), score.final_score, None) for score in references
    }


def _moves(before: dict[str, Place], after: dict[str, Place]) -> list[Move]:
    moves = [
        Move(old.team, old.score, after[key].score, old.rank, after[key].rank)
        for key, old in before.items()
        if key in after
    ]
    return sorted(moves, key=lambda move: -move.new_score)
