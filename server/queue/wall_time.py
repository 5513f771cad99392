"""What the hidden runs of a submission may take together, and what is left of it."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from evaluator.contract.specification import LimitsSpec
from evaluator.contract.states import Stage
from server.models import WorkItem


def wall_left_s(session: Session, submission_id: UUID, generation: int, limits: LimitsSpec) -> float | None:
    """Seconds of `limits.total_wall_s` that a submission's finished runs have left, below zero when they took more.

    None without such a limit. Chunks that are worked on at the same time each get all that is left, so the sum is
    looked at again at the end.
    """
    if limits.total_wall_s is None:
        return None
    session.flush()
    finished = session.scalars(
        select(WorkItem.finished).where(
            WorkItem.submission_id == submission_id,
            WorkItem.generation == generation,
            WorkItem.stage == Stage.RUN,
        )
    )
    return limits.total_wall_s - sum(float(record["wall_s"]) for records in finished for record in records.values())
