"""The disclosure policy: who may learn what about hidden data, when, and how precisely. Decided here and nowhere else.

A submission runs on photographs that its author must not see, so everything that the author learns about a run is a
channel that the code can write to. docs/leaks.md counts what the rules below let through.
"""

import hashlib
import hmac
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from itertools import accumulate, pairwise
from typing import Any

from lethe.evaluator.contract.states import Stage, SubmissionState
from lethe.server.competitions.phases import Phase

SCORE_DIGITS = 3
SCORE_DECIMALS = 4
SHARE_STEP = 5
"""Percent: shares of the forget images are whole multiples of it."""
ROUNDED_PLOTS = frozenset({"histogram"})
"""Plots that are drawn from rounded numbers. The others have each image's epsilon and each run's accuracy and time."""
COMPARED_HIDDEN, COMPARED_REVEALED = 8, 200
"""Teams above a team, and as many below it, with which the board compares it: before and after the reveal."""
PROGRESS_STEPS = 10
PROGRESS_EVERY_S = 30.0
PUBLIC_RECEIPT = (
    "source_sha256",
    "metric_version",
    "evaluation",
    "runs",
    "oracles",
    "imported_oracles",
    "environments",
    "sandbox_modes",
    "stopped",
)
KEYED_RECEIPT = {
    "data_sha256": "data_mark",
    "evaluation_sha256": "labels_mark",
    "bank_digest": "oracles_mark",
    "seeds_sha256": "seeds_mark",
}


class Viewer(StrEnum):
    """The role of a reader towards one submission or one competition."""

    STRANGER = "stranger"
    TEAM = "team"
    HOST = "host"
    OPERATOR = "operator"


@dataclass(frozen=True)
class Visibility:
    """`own`: state, progress, error code, source and log of a submission. `exact`: without rounding, with messages.

    `metric`: the rule and the parts of a score. `final`: the final evaluation, its board and its scores. `outputs`:
    margins and accuracies of the runs and of the oracles, and plots of them.
    """

    own: bool
    exact: bool
    metric: bool
    final: bool
    outputs: bool


def visibility(viewer: Viewer, phase: Phase, *, outputs_after_reveal: bool = False) -> Visibility:
    """Return what `viewer` may see in `phase`. Hosts and operators see everything at any time.

    `outputs_after_reveal` is what the specification says; who does not pass it shows no outputs to a team.
    """
    if viewer in {Viewer.HOST, Viewer.OPERATOR}:
        return Visibility(own=True, exact=True, metric=True, final=True, outputs=True)
    revealed, own = phase is Phase.REVEALED, viewer is Viewer.TEAM
    outputs = revealed and own and outputs_after_reveal
    return Visibility(own=own, exact=False, metric=revealed, final=revealed, outputs=outputs)


def shows_methods(when: str, phase: Phase) -> bool:
    """Return whether boards show methods and links in `phase`; `when` is what the specification says of it."""
    return when == "always" or (when == "after_reveal" and phase is Phase.REVEALED)


def shows_plot(name: str, visible: Visibility) -> bool:
    """Return whether the plot is shown: the exact ones to those who may see outputs, else one of rounded numbers."""
    return visible.metric and (name in ROUNDED_PLOTS) != visible.outputs


def compared_places(visible: Visibility) -> int:
    """Return with how many teams above and below it a team's best score is compared on the board.

    Which of them are significantly better tells a bit each that no rounded score tells.
    """
    return COMPARED_REVEALED if visible.metric else COMPARED_HIDDEN


def round_score(value: float) -> float:
    """Round to three significant digits, and to four decimals at most, so that small scores carry no more."""
    if value == 0:
        return 0.0
    return round(value, min(SCORE_DECIMALS, SCORE_DIGITS - 1 - math.floor(math.log10(abs(value))))) + 0.0


def round_shares(counts: Sequence[int]) -> tuple[int, ...]:
    """Return the percentages that `counts` are of their sum, in steps of SHARE_STEP; they sum to 100, or are all zero.

    What is rounded are the shares up to and including each count, so that no rounding error adds up.
    """
    total, steps = sum(counts), 100 // SHARE_STEP
    ends = (round(steps * sum_so_far / total) if total else 0 for sum_so_far in accumulate(counts, initial=0))
    return tuple(SHARE_STEP * (end - start) for start, end in pairwise(ends))


def round_time(moment: datetime) -> datetime:
    """Return the minute of `moment`."""
    return moment.replace(second=0, microsecond=0)


def coarse_progress(done: int, total: int) -> int:
    """Round `done` down to tenths of `total`; the end is exact, and 0 of 0 is 0."""
    return done if done >= total else int(done * PROGRESS_STEPS / total) * total // PROGRESS_STEPS


def may_move_progress(shown_at: datetime | None, *, now: datetime, step_s: float) -> bool:
    """Return whether `now` is in a later step of the clock than the last change of the progress."""
    step_s = max(step_s, PROGRESS_EVERY_S)
    return shown_at is None or now.timestamp() // step_s != shown_at.timestamp() // step_s


def moved_progress(
    shown: int, shown_at: datetime | None, *, done: int, total: int, now: datetime, step_s: float
) -> int | None:
    """Return the progress to show from `now` on, in tenths; None if it has changed in this step of the clock already.

    Runs that finish later in the step show in the next one, so the seconds say nothing about when they finished.
    """
    if not may_move_progress(shown_at, now=now, step_s=step_s):
        return None
    return max(shown, coarse_progress(done, total))


def last_step(now: datetime, step_s: float) -> datetime:
    """Return the last step of the clock: what happened until then may show; `now` itself if ends show at once."""
    return datetime.fromtimestamp(now.timestamp() // step_s * step_s, tz=UTC) if step_s else now


def shown_from(now: datetime, step_s: float) -> datetime | None:
    """Return when an event of a hidden run may show: at the end of the step of the clock; None: at once."""
    if not step_s:
        return None
    return datetime.fromtimestamp((now.timestamp() // step_s + 1) * step_s, tz=UTC)


@dataclass(frozen=True)
class CheckTimes:
    """When a worker took the check of a submission, and when it ended; None before."""

    claimed_at: datetime | None = None
    done_at: datetime | None = None

    def has_begun(self, moment: datetime) -> bool:
        """Return whether a worker had the check at `moment`."""
        return self.claimed_at is not None and self.claimed_at <= moment

    def has_ended(self, moment: datetime) -> bool:
        """Return whether the check had ended at `moment`."""
        return self.done_at is not None and self.done_at <= moment


def shown_state(state: str, fault_stage: str | None, check: CheckTimes, *, moment: datetime, step_s: float) -> str:
    """Return the state of a public submission as it was at `moment`, the last step of the clock.

    A check begins when a worker becomes free, which may be the end of somebody's hidden run; so its beginning and its
    end show at a step. `scoring` is the end of all hidden runs, and so of one: it shows as the state before.
    """
    if SubmissionState(state).is_terminal or not step_s:
        return state
    if not check.has_begun(moment):
        return SubmissionState.QUEUED
    if not check.has_ended(moment) or fault_stage == Stage.CHECK:
        return SubmissionState.CHECKING
    return SubmissionState.RUNNING if state == SubmissionState.SCORING else state


def shows_fault_details(stage: str | None, visible: Visibility) -> bool:
    """Return whether line and message of a fault are shown beside its code: those of the check stage to the team.

    A run on hidden data could choose which of its lines fails; the check stage has shown none if there is a run.
    """
    return visible.exact or (visible.own and stage == Stage.CHECK)


def shown_receipt(receipt: Mapping[str, Any], *, secret: str, visible: Visibility) -> dict[str, Any]:
    """Return what a score depends on, without hidden values.

    Digests of what is hidden are keyed with the competition's secret: equal things keep equal marks, but nobody can
    confirm a guess of the data with them. Findings and the rule are only for viewers who may see the metric.
    """
    if visible.exact:
        return dict(receipt)
    shown = {name: receipt[name] for name in PUBLIC_RECEIPT if name in receipt}
    shown |= {mark: _keyed(secret, str(receipt[name])) for name, mark in KEYED_RECEIPT.items() if name in receipt}
    if visible.metric:
        shown |= {name: receipt[name] for name in ("rule", "cap_ratios") if name in receipt}
    return shown


def _keyed(secret: str, text: str) -> str:
    return hmac.new(bytes.fromhex(secret), f"receipt:{text}".encode(), hashlib.sha256).hexdigest()[:32]
