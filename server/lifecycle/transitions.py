"""Every change of a state: from which states, to which, who decides it, and the log event that tells of it."""

import logging
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from lethe.evaluator.contract.states import OPEN_WORK_STATES, TERMINAL_STATES, SubmissionState, WorkState
from lethe.server.errors import PlatformError

QUEUED, CHECKING, RUNNING, SCORING = (
    SubmissionState.QUEUED,
    SubmissionState.CHECKING,
    SubmissionState.RUNNING,
    SubmissionState.SCORING,
)
LIVE = frozenset(SubmissionState) - TERMINAL_STATES
_UNDER_WAY = LIVE - {QUEUED}


class Actor(StrEnum):
    """Who decides on a transition. `server`: nobody does, it follows from another transition."""

    PARTICIPANT = "participant"
    HOST = "host"
    WORKER = "worker"
    CONTROL = "control"
    SWEEPER = "sweeper"
    SERVER = "server"


class IllegalTransition(PlatformError):
    """A submission or an item cannot change its state in this way."""


@dataclass(frozen=True)
class Transition:
    """From any of `sources` to one of `targets`. `owner` decides on it; `event` is the name of the log event."""

    owner: Actor
    event: str
    sources: frozenset[str]
    targets: frozenset[str]
    level: int = logging.INFO

    def target(self, state: str, wanted: str | None = None) -> str:
        """Return the state that follows `state`; `wanted` chooses among several. Raises IllegalTransition."""
        if state not in self.sources:
            raise IllegalTransition(f"{self.event}: not possible from the state {state}")
        if wanted is None:
            (target,) = self.targets
            return target
        if wanted not in self.targets:
            raise IllegalTransition(f"{self.event}: does not lead to the state {wanted}")
        return wanted


def _transition(
    owner: Actor, event: str, sources: frozenset[str] | set[str], *targets: str, level: int = logging.INFO
) -> Transition:
    return Transition(owner, event, frozenset(map(str, sources)), frozenset(map(str, targets)), level)


class OfSubmission:
    """The transitions of a submission, in the order of its life."""

    SUBMITTED: Final = _transition(Actor.PARTICIPANT, "submission_queued", {QUEUED}, QUEUED)
    FINAL_STARTED: Final = _transition(Actor.HOST, "final_queued", {QUEUED}, RUNNING)
    CHECK_CLAIMED: Final = _transition(Actor.WORKER, "work_claimed", {QUEUED}, CHECKING)
    CHECK_PASSED: Final = _transition(Actor.WORKER, "check_passed", {CHECKING}, RUNNING)
    RUNS_DONE: Final = _transition(Actor.WORKER, "runs_done", {RUNNING}, SCORING)
    STOPPED: Final = _transition(Actor.CONTROL, "submission_stopped", {RUNNING}, SCORING)
    LOOK_PASSED: Final = _transition(Actor.CONTROL, "look_passed", {RUNNING}, RUNNING)
    COMPLETED: Final = _transition(Actor.PARTICIPANT, "submission_completed", {SubmissionState.SCORED}, RUNNING)
    RUNS_UNUSABLE: Final = _transition(Actor.CONTROL, "runs_repeated", {RUNNING, SCORING}, RUNNING, level=logging.ERROR)
    SCORED: Final = _transition(Actor.CONTROL, "submission_scored", {SCORING}, SubmissionState.SCORED)
    # The end by a fault of its own waits for the clock, as a score does.
    END_HELD_BACK: Final = _transition(Actor.WORKER, "submission_failed", {CHECKING, RUNNING}, SCORING)
    HELD_BACK_END_SHOWN: Final = _transition(Actor.CONTROL, "held_back_end_shown", {SCORING}, SubmissionState.FAILED)
    FAILED: Final = _transition(Actor.WORKER, "submission_failed", _UNDER_WAY, SubmissionState.FAILED)
    WORKERS_LOST: Final = _transition(Actor.SWEEPER, "submission_failed", _UNDER_WAY, SubmissionState.FAILED)
    SCORING_FAILED: Final = _transition(Actor.CONTROL, "submission_failed", _UNDER_WAY, SubmissionState.FAILED)
    OVERDUE: Final = _transition(Actor.SWEEPER, "submission_failed", LIVE, SubmissionState.FAILED)
    CANCELLED_BY_TEAM: Final = _transition(Actor.PARTICIPANT, "submission_cancelled", LIVE, SubmissionState.CANCELLED)
    CANCELLED_BY_HOST: Final = _transition(Actor.HOST, "submission_cancelled", LIVE, SubmissionState.CANCELLED)
    RERUN: Final = _transition(Actor.HOST, "submission_rerun", TERMINAL_STATES, QUEUED, RUNNING)
    RESTORED: Final = _transition(Actor.SWEEPER, "work_restored", LIVE, QUEUED, RUNNING, SCORING, level=logging.WARNING)


class OfWorkItem:
    """The transitions of a check, a chunk of runs or a score. `ready` is an open state as `leased` is: a holder whose
    lease ran out goes on as long as nobody else has the item.
    """

    CLAIMED: Final = _transition(Actor.WORKER, "work_claimed", {WorkState.READY}, WorkState.LEASED)
    RENEWED: Final = _transition(Actor.WORKER, "lease_renewed", OPEN_WORK_STATES, WorkState.LEASED, level=logging.DEBUG)
    DONE: Final = _transition(Actor.WORKER, "work_done", OPEN_WORK_STATES, WorkState.DONE, level=logging.DEBUG)
    HANDED_BACK: Final = _transition(Actor.WORKER, "work_handed_back", OPEN_WORK_STATES, WorkState.READY)
    RETRIED: Final = _transition(
        Actor.WORKER, "work_failed_retrying", OPEN_WORK_STATES, WorkState.READY, level=logging.ERROR
    )
    FAILED: Final = _transition(Actor.WORKER, "work_failed", OPEN_WORK_STATES, WorkState.FAILED)
    SCORE_CLAIMED: Final = _transition(Actor.CONTROL, "score_claimed", {WorkState.READY}, WorkState.LEASED)
    SCORE_DONE: Final = _transition(Actor.CONTROL, "score_done", OPEN_WORK_STATES, WorkState.DONE, level=logging.DEBUG)
    SCORE_RETRIED: Final = _transition(
        Actor.CONTROL, "scoring_failed", OPEN_WORK_STATES, WorkState.READY, level=logging.ERROR
    )
    SCORE_OUTDATED: Final = _transition(Actor.CONTROL, "score_outdated", OPEN_WORK_STATES, WorkState.READY)
    SCORE_FAILED: Final = _transition(
        Actor.CONTROL, "scoring_failed", OPEN_WORK_STATES, WorkState.FAILED, level=logging.ERROR
    )
    EXPIRED: Final = _transition(
        Actor.SWEEPER, "lease_lost", {WorkState.LEASED}, WorkState.READY, level=logging.WARNING
    )
    POISONED: Final = _transition(
        Actor.SWEEPER, "work_poisoned", {WorkState.READY}, WorkState.POISONED, level=logging.ERROR
    )
    OBSOLETE: Final = _transition(
        Actor.SERVER, "work_obsolete", OPEN_WORK_STATES, WorkState.FAILED, level=logging.DEBUG
    )
    DROPPED: Final = _transition(Actor.SERVER, "work_dropped", {WorkState.READY}, WorkState.FAILED, level=logging.DEBUG)
    REOPENED: Final = _transition(
        Actor.SERVER, "work_reopened", {WorkState.DONE, WorkState.FAILED, WorkState.POISONED}, WorkState.READY
    )


class OfTrainingOrder:
    """The transitions of the order of one model of an oracle bank."""

    FOUND_TRAINED: Final = _transition(
        Actor.HOST,
        "model_found_trained",
        {WorkState.READY, WorkState.LEASED, WorkState.DONE, WorkState.FAILED},
        WorkState.DONE,
        level=logging.DEBUG,
    )
    REOPENED: Final = _transition(
        Actor.HOST, "training_reopened", {WorkState.DONE, WorkState.FAILED}, WorkState.READY, level=logging.DEBUG
    )
    CLAIMED: Final = _transition(
        Actor.WORKER, "training_claimed", {WorkState.READY}, WorkState.LEASED, level=logging.DEBUG
    )
    RENEWED: Final = _transition(Actor.WORKER, "lease_renewed", OPEN_WORK_STATES, WorkState.LEASED, level=logging.DEBUG)
    DONE: Final = _transition(Actor.WORKER, "training_done", OPEN_WORK_STATES, WorkState.DONE, level=logging.DEBUG)
    HANDED_BACK: Final = _transition(
        Actor.WORKER, "training_handed_back", OPEN_WORK_STATES, WorkState.READY, level=logging.DEBUG
    )
    BROKEN: Final = _transition(Actor.WORKER, "training_failed", OPEN_WORK_STATES, WorkState.READY, level=logging.ERROR)
    FAILED: Final = _transition(
        Actor.WORKER, "training_failed", OPEN_WORK_STATES, WorkState.FAILED, level=logging.ERROR
    )
    EXPIRED: Final = _transition(
        Actor.WORKER, "training_lease_expired", {WorkState.LEASED}, WorkState.READY, level=logging.WARNING
    )
