"""Whether a change helped: a submission beside the best and the last one that its team had before it.

Before the reveal a difference is that of the shown, rounded scores, and a verdict is one word (docs/leaks.md). Nothing
is stored: the verdict on two scores costs two lists of 16 replicates, and a page reads those of its own lines only.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import numpy as np
from sqlalchemy.orm import Session

from lethe.evaluator.contract.states import SubmissionState
from lethe.evaluator.metrics import replicate_difference
from lethe.server.competitions.disclosure import round_score
from lethe.server.leaderboard.schemas import IntervalView
from lethe.server.leaderboard.score_queries import replicates
from lethe.server.models import Submission
from lethe.server.submissions import queries
from lethe.server.submissions.schemas import ChangeView, Verdict


@dataclass(frozen=True)
class ScoredSubmission:
    """A submission with a score that counts; numbers unrounded. `rank` is its team's on the public board."""

    submission_id: UUID
    score_id: UUID
    filename: str
    created_at: datetime
    final_score: float
    interval_low: float
    interval_high: float
    rank: int | None


@dataclass(frozen=True)
class Improvement:
    """A score beside the best and the last one that the team had before it; None for its first one.

    `rank` is the team's, at its best score. Which one is best is told by the rounded scores: of equal ones the first.
    """

    against_best: ChangeView | None
    against_last: ChangeView | None
    is_best: bool
    rank: int | None


NO_IMPROVEMENT = Improvement(against_best=None, against_last=None, is_best=False, rank=None)


def scored_submissions(session: Session, team_id: UUID) -> tuple[ScoredSubmission, ...]:
    """Return the team's public submissions with scores that count, in the order of their uploads."""
    rows = queries.scored_submissions.rows(session, team_id=team_id)
    return tuple(ScoredSubmission(**row) for row in rows.mappings())


def best_of(history: Sequence[ScoredSubmission]) -> ScoredSubmission | None:
    """Return the one with the highest rounded score, of equal ones the first; None if there is none."""
    return max(history, key=lambda one: round_score(one.final_score), default=None)


def improvements(session: Session, submissions: Sequence[Submission]) -> dict[UUID, Improvement]:
    """Return what is known of those of the public submissions that have a score that counts, by id."""
    scored = {one.id: one.team_id for one in submissions if one.state == SubmissionState.SCORED}
    found: dict[UUID, Improvement] = {}
    for team_id in set(scored.values()):
        found |= improvements_of_team(session, scored_submissions(session, team_id), scored.keys())
    return found


def improvements_of_team(
    session: Session, history: Sequence[ScoredSubmission], wanted: Collection[UUID]
) -> dict[UUID, Improvement]:
    """Return those of `wanted` that are in a team's `history`, which is in the order of the uploads."""
    before: dict[UUID, tuple[ScoredSubmission, ScoredSubmission | None, ScoredSubmission | None]] = {}
    best = last = None
    for one in history:
        if one.submission_id in wanted:
            before[one.submission_id] = (one, best, last)
        last = one
        best = one if best is None or round_score(one.final_score) > round_score(best.final_score) else best
    stored = replicates(session, {one.score_id for line in before.values() for one in line if one is not None})
    return {
        submission_id: Improvement(
            against_best=None if old_best is None else _change(one, old_best, stored),
            against_last=None if old_last is None else _change(one, old_last, stored),
            is_best=one is best,
            rank=one.rank if one is best else None,
        )
        for submission_id, (one, old_best, old_last) in before.items()
    }


def _change(after: ScoredSubmission, before: ScoredSubmission, stored: dict[UUID, list[float]]) -> ChangeView:
    return ChangeView(
        submission=before.submission_id,
        difference=shown_difference(before, after),
        verdict=paired_verdict(before, after, stored)[0],
    )


def shown_difference(before: ScoredSubmission, after: ScoredSubmission) -> float:
    """Return the difference of the scores as they are shown, which tells no more than they do."""
    return round_score(round_score(after.final_score) - round_score(before.final_score))


def paired_verdict(
    before: ScoredSubmission, after: ScoredSubmission, stored: dict[UUID, list[float]]
) -> tuple[Verdict, IntervalView | None]:
    """Return the paired verdict and the rounded interval of the difference.

    Scores in different numbers of groups, which a rescore leaves for a while, cannot be paired.
    """
    old, new = (np.array(stored[one.score_id]) for one in (before, after))
    if len(old) != len(new):
        return Verdict.UNKNOWN, None
    found = replicate_difference(after.final_score, new, before.final_score, old)
    low, high = found.interval
    interval = IntervalView(low=round_score(low), high=round_score(high))
    if not found.significant:
        return Verdict.CHANCE, interval
    return Verdict.BETTER if found.difference > 0 else Verdict.WORSE, interval
