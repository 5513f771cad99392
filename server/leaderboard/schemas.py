"""The boards: public, final and benchmark."""

from datetime import datetime

from pydantic import BaseModel, Field


class IntervalView(BaseModel):
    low: float
    high: float


class LeaderboardRow(BaseModel):
    rank: int | None = Field(
        description="1 + number of significantly better teams, and never less than that of a higher score; "
        "teams with one rank are tied. null: reference"
    )
    team: str
    score: float
    interval: IntervalView = Field(description="95% interval of the score")
    entries: int = Field(description="Scored submissions of the team")
    last_scored_at: datetime | None
    reference: str | None = Field(description="ceiling, floor or baseline for reference rows, which take no rank")
    measures: dict[str, float | None] = Field(
        default_factory=dict,
        description="Values of the measures that the host shows beside the score, rounded as it is; null: absent",
    )
    tasks: dict[str, float] = Field(
        default_factory=dict,
        description="The normalised score of each task by name, rounded as the score is; empty without tasks",
    )
    public_rank: int | None = Field(default=None, description="On the final board: the team's rank on the public one")
    method: str | None = Field(
        default=None, description="What the team calls the method of its best submission, where the host shows it"
    )
    link: str | None = Field(default=None, description="To its paper or code: http or https; Lethe does not check it")


class TaskScoreView(BaseModel):
    """What one task contributes to a score."""

    name: str
    share: float = Field(description="Its part of the score")
    score: float = Field(description="Relative to the task's ceiling")
    interval: IntervalView = Field(description="95% interval of the task's score")
    metric: dict[str, float] | None = Field(
        default=None,
        description="What the task's score is made of, and `ceiling`, the ceiling's forgetting quality, that it is "
        "divided by; null before the reveal, as the submission's own `metric`, and on boards",
    )


class OriginalsView(BaseModel):
    """What the draw of the original models adds to the error of a score; the interval of the score covers it."""

    standard_error: float
    degrees: int = Field(description="Degrees of freedom: the number of originals less one")


class ColumnView(BaseModel):
    key: str = Field(description="Names its values in the rows")
    title: str
    unit: str
    best: str = Field(description="The value of a perfect submission: the oracles', the lowest, the highest; or none")


class Leaderboard(BaseModel):
    competition: str
    title: str
    view: str = Field(
        description="public, final, or benchmark: of uploads after the deadline, apart from the competition's"
    )
    updated_at: datetime | None
    frozen: bool = Field(description="Later scores leave this board as it is")
    teams: int = Field(description="Ranked teams on the whole board")
    columns: list[ColumnView] = Field(default_factory=list, description="Measures that the host shows beside the score")
    next_offset: int | None = Field(description="Where the next page starts; null on the last one")
    rows: list[LeaderboardRow] = Field(description="Best score first, reference rows among them")
