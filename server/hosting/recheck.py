"""Before the finals: the leading submissions run again on the public split with fresh seeds, and what that changed.

A score that was the luck of its seeds, or of many edits of one file, does not come twice. A real one does.
"""

from dataclasses import dataclass
from uuid import UUID

import numpy as np
from sqlalchemy.orm import Session

from lethe.evaluator.contract.states import SubmissionState
from lethe.evaluator.metrics.comparison import Difference, replicate_difference
from lethe.server.audit_log.events import record
from lethe.server.competitions.phases import Phase, phase
from lethe.server.competitions.service import get_competition, lock_competition
from lethe.server.hosting import finals, queries
from lethe.server.hosting.actions import PhaseConflict
from lethe.server.models import Competition, Score
from lethe.server.submissions import reruns

ACTION = "competition.recheck"


@dataclass(frozen=True)
class Rechecked:
    """A leading submission, its state, and its score before and after the run with fresh seeds; None: not yet scored.

    `change` is after minus before, paired over the oracles that both are scored against.
    """

    submission_id: UUID
    team: str
    state: str
    before: float
    after: float | None
    change: Difference | None

    @property
    def has_ended(self) -> bool:
        """Whether the run with fresh seeds has ended, with or without a score."""
        return SubmissionState(self.state).is_terminal

    @property
    def has_dropped(self) -> bool:
        """Whether the new score is significantly lower."""
        return self.change is not None and self.change.interval[1] < 0


def recheck(session: Session, slug: str, *, top: int, again: bool = False, actor: str | None = None) -> list[Rechecked]:
    """Return the leading submissions of a closed competition with what fresh seeds made of them, best score first.

    The first call, and every one with `again`, queues the `top` best of those that the finals would run; their old
    scores stay on the board until the new ones are there. Raises PhaseConflict unless uploads are closed, and after
    the final evaluation has begun if nothing was queued before.
    """
    competition = lock_competition(session, slug)
    queued = None if again else _last_queued(session, competition)
    if queued:
        return _changes(session, queued)
    current = phase(competition)
    if current is not Phase.CLOSED:
        raise PhaseConflict(f"{slug} is {current.value}. Recheck it between close and finals.")
    generations = _queue(session, competition, top, actor)
    return _changes(session, generations)


def rechecked(session: Session, slug: str) -> list[Rechecked]:
    """Return what `recheck` returns after it has queued them; nothing before."""
    return _changes(session, _last_queued(session, get_competition(session, slug)) or {})


def _last_queued(session: Session, competition: Competition) -> dict[UUID, int] | None:
    """Return the submissions that were queued last with the generation that each had before; None if none ever were."""
    event = queries.last_event(session, competition, ACTION)
    return None if event is None else {UUID(key): number for key, number in event.details["generations"].items()}


def _queue(session: Session, competition: Competition, top: int, actor: str | None) -> dict[UUID, int]:
    """Queue the leading submissions, and return the generation that each of them had before."""
    planned = finals.plan(session, competition).submissions
    leading = queries.best_submissions(session, planned, limit=top)
    generations = {one.id: one.generation for one in leading}
    if not generations:
        return {}
    for one in leading:
        reruns.rerun(session, one, fresh_seeds=True, actor=actor)
    stored = {str(key): number for key, number in generations.items()}
    record(session, ACTION, competition.slug, actor=actor, competition=competition, generations=stored)
    session.flush()
    return generations


def _changes(session: Session, generations: dict[UUID, int]) -> list[Rechecked]:
    found = []
    for submission, team in queries.with_teams(session, generations):
        old, new = (
            queries.score_of_generation(session, submission.id, generation)
            for generation in (generations[submission.id], submission.generation)
        )
        if old is None:
            continue  # its score was taken back since
        is_scored = new is not None and new is not old and submission.state == SubmissionState.SCORED
        found.append(
            Rechecked(
                submission_id=submission.id,
                team=team,
                state=submission.state,
                before=old.final_score,
                after=new.final_score if is_scored and new is not None else None,
                change=_change(old, new) if is_scored and new is not None else None,
            )
        )
    return sorted(found, key=lambda one: -one.before)


def _change(old: Score, new: Score) -> Difference | None:
    """Return the paired change; None if the scores cannot be paired, as after another rescoring."""
    if len(old.replicates) != len(new.replicates) or old.receipt.get("bank_digest") != new.receipt.get("bank_digest"):
        return None
    return replicate_difference(new.final_score, np.array(new.replicates), old.final_score, np.array(old.replicates))
