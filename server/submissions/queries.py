"""SQL of submissions."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from evaluator.contract.states import TERMINAL_STATES, SubmissionState
from server.models import Submission


def final_evaluations(session: Session, submission_id: UUID) -> Sequence[Submission]:
    """Return the final evaluation of a public submission as a list of one; empty if there is none."""
    return session.scalars(select(Submission).where(Submission.origin_id == submission_id)).all()


def count_unfinished(session: Session, competition_id: UUID) -> dict[str, int]:
    """Return how many of the competition's submissions are in each state that is not terminal; zeros are left out."""
    unfinished = [state for state in SubmissionState if state not in TERMINAL_STATES]
    rows = session.execute(
        select(Submission.state, func.count())
        .where(Submission.competition_id == competition_id, Submission.state.in_(unfinished))
        .group_by(Submission.state)
    )
    return {row[0]: row[1] for row in rows}
