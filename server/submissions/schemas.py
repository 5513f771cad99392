"""What a team sees of its submissions."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, Field

from lethe.evaluator.contract.curves import Curve
from lethe.evaluator.contract.hidden_estimates import HiddenEstimate
from lethe.evaluator.contract.practice_score import ScoredPractice
from lethe.server.leaderboard.schemas import IntervalView, OriginalsView, TaskScoreView

Parts = Annotated[
    dict[str, float] | None, Field(description="What the score is made of; null before the reveal, as the names tell")
]


class ErrorView(BaseModel):
    code: str
    message: str = Field(description="What to do about it")
    line: int | None = Field(description="Line of the submitted file, where one is known")
    output: str | None = Field(description="What the file's own code said; practice data only")


class FinalView(BaseModel):
    """The final evaluation of a selected submission; shown after the reveal."""

    state: str
    error: ErrorView | None
    score: float | None
    interval: IntervalView | None
    tasks: list[TaskScoreView] = Field(default_factory=list, description="What each task gave; empty without tasks")
    originals: OriginalsView | None = Field(
        default=None, description="What the draw of the originals adds to the error; null with one original"
    )
    metric: Parts


class Verdict(StrEnum):
    """Whether one score of two is significantly better, paired over the oracles that both share."""

    BETTER = "better"
    WORSE = "worse"
    CHANCE = "chance"
    UNKNOWN = "unknown"


class ChangeView(BaseModel):
    """A score beside that of an earlier submission of the same team."""

    submission: UUID = Field(description="The earlier submission")
    difference: float = Field(description="Of the two scores as they are shown")
    verdict: Verdict = Field(
        description="`better` or `worse`: significantly, paired over the oracles; `chance`: the difference may be "
        "chance; `unknown`: the two cannot be paired"
    )


class StoppedView(BaseModel):
    """Why a submission was not run whole: a look found it below its team's best, both at `runs` runs."""

    runs: int = Field(description="Runs after which it was stopped")
    best: UUID = Field(description="The submission that it was compared with")
    best_score: float = Field(description="Its score, of all runs")
    difference: float = Field(
        description="Score minus the best's, both of their first `runs` runs; on another scale than scores of all runs"
    )
    difference_error: float = Field(description="Standard error of the difference, paired over the oracles")
    text: str = Field(description="All of it in a sentence")


class SubmissionView(BaseModel):
    id: UUID
    competition: str
    team: str
    evaluation: str = Field(
        default="public", description="public, or benchmark: it came after the deadline, and is on that board alone"
    )
    filename: str
    method: str | None = Field(default=None, description="The method's name, as the team gave it")
    note: str | None = Field(default=None, description="Of the team, for itself and the host")
    link: str | None = Field(default=None, description="To a paper or code, as the team gave it; http or https")
    licence: str | None = Field(
        default=None, description="SPDX identifier under which the team has published the source; null: not published"
    )
    notes: list[str] = Field(
        description="What of the file does not run, and how its parameters are bound where that is not plain"
    )
    state: str
    owner: str | None = Field(description="Whose fault an end without a score is: participant, platform or host")
    error: ErrorView | None
    runs_done: int = Field(description="Moves in tenths of runs_total, every 30 s at most")
    runs_total: int
    queue_position: int | None = Field(
        description="Place among those that wait for a worker, for the check or for the first run; 1 is next, null "
        "when it does not wait"
    )
    eta_s: float | None = Field(
        description="Estimated seconds to the end; null when unknown, and in the answer to an upload"
    )
    score: float | None
    interval: IntervalView | None = Field(description="95% interval of the score")
    tasks: list[TaskScoreView] = Field(default_factory=list, description="What each task gave; empty without tasks")
    originals: OriginalsView | None = Field(
        default=None, description="What the draw of the originals adds to the error; null with one original"
    )
    stopped: StoppedView | None = Field(
        default=None, description="Why it is scored without a score: a look stopped it; null for what ran whole"
    )
    is_best: bool = Field(default=False, description="The team's best score")
    rank: int | None = Field(default=None, description="The team's rank on the board, if this is its best score")
    against_best: ChangeView | None = Field(
        default=None,
        description="Beside the best submission that the team had uploaded before; null for its first score",
    )
    against_last: ChangeView | None = Field(
        default=None, description="Beside the last one with a score that the team had uploaded before"
    )
    metric: Parts
    selected: bool = Field(description="Chosen for the final evaluation")
    final: FinalView | None = Field(description="The final evaluation; null before the reveal, or without one")
    disqualified: str | None = Field(description="Why this submission or its team stands on no board")
    created_at: datetime
    finished_at: datetime | None = Field(description="To the minute")


class ComparisonView(BaseModel):
    """How the score of one submission of a team differs from that of another one."""

    before: UUID
    after: UUID
    difference: float | None = Field(
        description="Score of `after` minus that of `before`, as they are shown; null unless both have a score"
    )
    verdict: Verdict
    interval: IntervalView | None = Field(
        description="Paired 95% interval of the difference; null before the reveal, and where there is none"
    )


class QuotaView(BaseModel):
    """What is left; null where there is no limit."""

    submissions_left_today: int | None = Field(description="Of the team")
    submissions_left: int | None = Field(description="Of the team, in the whole competition")
    attempts_left_today: int | None = Field(description="Uploads of this account that are looked at")
    in_flight: int = Field(description="Submissions of the team that have not ended")
    in_flight_limit: int | None
    resets_at: datetime = Field(description="When today's counts start again: midnight UTC")


class UploadAnswer(SubmissionView):
    """The submission, and what is left after it."""

    quota: QuotaView


class AdviceView(BaseModel):
    code: str
    message: str = Field(description="What to do about it")


class SubmissionLog(BaseModel):
    """Output of the check stage on practice data; runs on hidden data leave none."""

    stdout: str
    stderr: str
    traceback: str
    packages: list[str] = Field(description="What was installed for the file's script block")
    advice: list[AdviceView] = Field(description="What is likely to cost score although the runs ended well")
    wall_s: float | None
    cpu_s: float | None
    peak_memory_bytes: int | None
    wall_limit_s: float | None = Field(description="Of the run; null for checks from before limits were kept")
    memory_limit_bytes: int | None
    hidden: HiddenEstimate | None = Field(description="What to expect of a hidden run; null where that is not known")
    curve: Curve | None = Field(description="Accuracies over optimiser steps on practice data; null without any steps")
    practice: ScoredPractice | None = Field(
        default=None, description="Score of the check's runs and of further ones on practice data, against its oracles"
    )
    practice_missing: str = Field(
        default="", description="Why there is no practice score; empty also where the competition has none"
    )


class ReceiptView(BaseModel):
    """What a score depends on; digests of hidden things are keyed with a secret of the competition."""

    public: dict[str, Any] | None = Field(description="Of the public score; null without one")
    final: dict[str, Any] | None = Field(description="Of the final score; null before the reveal, or without one")
