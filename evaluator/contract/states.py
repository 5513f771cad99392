"""The closed vocabularies of a submission's life: states, stages and owners of faults."""

from enum import StrEnum


class SubmissionState(StrEnum):
    """`queued → checking → running → scoring → scored`, or `failed`, `cancelled`."""

    QUEUED = "queued"
    CHECKING = "checking"
    RUNNING = "running"
    SCORING = "scoring"
    SCORED = "scored"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_terminal(self) -> bool:
        return self in TERMINAL_STATES


TERMINAL_STATES = frozenset({SubmissionState.SCORED, SubmissionState.FAILED, SubmissionState.CANCELLED})


class Evaluation(StrEnum):
    """Public for every submission, final for the selected ones after the close, benchmark for uploads after the reveal.

    Each has a board and run seeds of its own.
    """

    PUBLIC = "public"
    FINAL = "final"
    BENCHMARK = "benchmark"

    @property
    def reference(self) -> "Evaluation":
        """The evaluation with whose photographs, oracles, ceiling and floor this one is scored."""
        return Evaluation.PUBLIC if self is Evaluation.BENCHMARK else self


OF_THE_COMPETITION = (Evaluation.PUBLIC, Evaluation.FINAL)
"""Those that end with the reveal, each with a ceiling, a floor and an analysis of its own."""


class Owner(StrEnum):
    """Who caused a terminal state other than `scored`. Platform faults never cost quota."""

    PARTICIPANT = "participant"
    PLATFORM = "platform"
    HOST = "host"


class Stage(StrEnum):
    """The job of a work item: `check` and `run` are done by a worker, `score` by control."""

    CHECK = "check"
    RUN = "run"
    SCORE = "score"


class WorkState(StrEnum):
    """The life of leased work: a work item or a training order. `leased` counts only until the lease expires.

    `failed` items ended with their submission; a `poisoned` one ended it, because every worker that claimed it was
    lost. `failed` orders cannot be trained.
    """

    READY = "ready"
    LEASED = "leased"
    DONE = "done"
    FAILED = "failed"
    POISONED = "poisoned"


OPEN_WORK_STATES = frozenset({WorkState.READY, WorkState.LEASED})
