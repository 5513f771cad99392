"""States of submissions in words."""

from lethe.evaluator.contract.states import SubmissionState
from lethe.server.submissions.schemas import SubmissionView

HEADLINES = {
    SubmissionState.QUEUED: "Waiting for a worker",
    SubmissionState.CHECKING: "Being checked on practice data",
    SubmissionState.RUNNING: "Running",
    SubmissionState.SCORING: "Being scored",
    SubmissionState.SCORED: "Scored",
    SubmissionState.FAILED: "Ended without a score",
    SubmissionState.CANCELLED: "Cancelled",
}


def headline(view: SubmissionView) -> str:
    """Return the state in words; of what waits for a worker how many submissions are ahead of it."""
    if view.stopped is not None:
        return stopped_headline(view.stopped.runs, view.runs_total)
    if view.queue_position is None:
        return HEADLINES[SubmissionState(view.state)]
    ahead = view.queue_position - 1
    return f"Waiting for a worker, {f'{ahead:,} ahead' if ahead else 'next'}"


def stopped_headline(runs: int, runs_total: int) -> str:
    """Return what there is to say of a submission that a look has stopped."""
    return f"Stopped after {runs} of {runs_total} runs"
