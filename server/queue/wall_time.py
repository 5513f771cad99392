"""The time that the hidden runs of a submission may take together, and how much of it is left."""

from uuid import UUID

from sqlalchemy.orm import Session

from lethe.evaluator.contract.specification import LimitsSpec
from lethe.server.queue import queries


def wall_left_s(session: Session, submission_id: UUID, generation: int, limits: LimitsSpec) -> float | None:
    """Seconds of `limits.total_wall_s` that a submission's finished runs have left, below zero when they took more.

    None without such a limit. Chunks that run at the same time each get all that is left, so the sum is checked again
    at the end.
    """
    if limits.total_wall_s is None:
        return None
    finished = queries.finished_runs.rows(session, submission_id=submission_id, generation=generation).scalars()
    return limits.total_wall_s - sum(float(record["wall_s"]) for records in finished for record in records.values())
