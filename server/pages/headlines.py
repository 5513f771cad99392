"""States of submissions in words."""

from lethe.evaluator.contract.states import SubmissionState

HEADLINES = {
    SubmissionState.QUEUED: "Waiting for a worker",
    SubmissionState.CHECKING: "Being checked on practice data",
    SubmissionState.RUNNING: "Running",
    SubmissionState.SCORING: "Being scored",
    SubmissionState.SCORED: "Scored",
    SubmissionState.FAILED: "Ended without a score",
    SubmissionState.CANCELLED: "Cancelled",
}
