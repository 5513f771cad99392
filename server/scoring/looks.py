"""A look: after a part of its runs a submission is compared with the best of its team, and stops if it is worse.

What `benchmarks/looks.py` simulates is decided by the same functions (`evaluator/metrics/looks.py`, docs/adr/0018). A
look that cannot be taken lets the submission run whole.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy.orm import Session

from lethe.evaluator.artifacts import ArtifactError, ArtifactStore
from lethe.evaluator.artifacts.outputs import OutputsInvalid
from lethe.evaluator.contract.specification import CompetitionSpec
from lethe.evaluator.contract.states import Evaluation
from lethe.evaluator.metrics import Score as MetricScore
from lethe.evaluator.metrics.looks import Estimate, Look, look, stops
from lethe.evaluator.scoring.reference_set import ReferenceSet
from lethe.server.leaderboard.score_queries import current_score
from lethe.server.leaderboard.standings import best_scores
from lethe.server.lifecycle.transitions import OfSubmission
from lethe.server.logs import get_logger
from lethe.server.models import Competition, Score, Submission, Team
from lethe.server.queue.planning import advance
from lethe.server.scoring.stored_outputs import RunOutputs, RunsUnusable, read_runs, run_outputs

log = get_logger(__name__)


@dataclass(frozen=True, eq=False)
class TeamBest:
    """The team's best as the first look of a submission found it, detached from the database."""

    submission_id: UUID
    generation: int
    outputs: RunOutputs
    at_end: Estimate


@dataclass(frozen=True, eq=False)
class LookResult:
    """What a look found, and the score of the runs so far, which is on another scale than a score of all runs."""

    runs: int
    found: Look
    is_stop: bool
    score: MetricScore


def team_best(session: Session, submission: Submission) -> TeamBest | None:
    """Return what the submission is compared with, the same at all of its looks; None: it runs whole.

    There is none before the team's first score, for baselines, and when the best has been evaluated again since.
    """
    if session.get_one(Team, submission.team_id).is_baseline:
        return None
    if submission.looks is not None:
        best = session.get(Submission, UUID(submission.looks["best"]))
        score = None if best is None else current_score(session, best)
        is_same = best is not None and best.generation == submission.looks["best_generation"]
    else:
        competition = session.get_one(Competition, submission.competition_id)
        entry = next(iter(best_scores(session, competition, Evaluation.PUBLIC, submission.team_id)), None)
        score = None if entry is None else session.get_one(Score, entry.score_id)
        best = None if score is None or score.submission_id is None else session.get(Submission, score.submission_id)
        is_same = True
    if best is None or score is None or not is_same:
        return None
    return TeamBest(
        submission_id=best.id,
        generation=score.generation,
        outputs=run_outputs(session, best, score.generation),
        at_end=Estimate(final=np.asarray(score.final_score), replicates=np.array(score.replicates)),
    )


def compare(
    artifacts: ArtifactStore,
    reference_set: ReferenceSet,
    spec: CompetitionSpec,
    outputs: RunOutputs,
    best: TeamBest | None,
    runs: int,
) -> LookResult | None:
    """Compare the first `runs` runs with those of `best`; None without one, or if its outputs are gone.

    Raises as `read_runs` does for outputs of the submission itself.
    """
    if best is None:
        return None
    unlearned = reference_set.pool(read_runs(artifacts, outputs))
    try:
        best_pool = reference_set.pool(read_runs(artifacts, best.outputs))
    except (ArtifactError, OutputsInvalid, RunsUnusable) as error:
        log.warning("look_without_best", best=str(best.submission_id), error=str(error))
        return None
    score = reference_set.score_at(unlearned, runs)
    best_score = reference_set.score_at(best_pool, runs)
    found = look(
        Estimate.of(score), Estimate.of(best_score), best_at_end=best.at_end, growth=reference_set.growth(runs)
    )
    is_stop = stops(found, runs=runs, runs_total=spec.evaluation.runs)
    return LookResult(runs, found, bool(is_stop), score)


def store_look(
    session: Session,
    submission: Submission,
    spec: CompetitionSpec,
    best: TeamBest | None,
    result: LookResult | None,
    receipt: dict[str, object] | None,
) -> None:
    """Store what a look found, and let the submission go on or end; `receipt` is that of a score of its runs so far."""
    if best is None or result is None:
        submission.runs_whole = True
        advance(session, submission, spec, OfSubmission.LOOK_PASSED)
        return
    earlier: dict[str, Any] = submission.looks or {
        "best": str(best.submission_id),
        "best_generation": best.generation,
        "best_score": float(best.at_end.final),
        "found": [],
    }
    found = {
        "runs": result.runs,
        "difference": float(result.found.difference),
        "standard_error": float(result.found.standard_error),
        "shortfall": float(result.found.shortfall),
        "shortfall_error": float(result.found.shortfall_error),
        "stops": result.is_stop,
    }
    submission.looks = earlier | {"found": [*earlier["found"], found]}
    if not result.is_stop:
        advance(session, submission, spec, OfSubmission.LOOK_PASSED)
        return
    submission.stopped_after = result.runs
    submission.looks = submission.looks | {"receipt": receipt}
    advance(session, submission, spec, OfSubmission.STOPPED)
