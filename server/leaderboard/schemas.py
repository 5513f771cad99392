"""The public leaderboard."""

from datetime import datetime

from pydantic import BaseModel, Field

from server.submissions.schemas import IntervalView


class LeaderboardRow(BaseModel):
    rank: int | None = Field(
        description="1 + number of significantly better teams; shared ranks are ties. null: reference"
    )
    team: str
    score: float
    interval: IntervalView = Field(description="95% interval of the score")
    entries: int = Field(description="Scored submissions of the team")
    last_scored_at: datetime | None
    reference: str | None = Field(description="ceiling or floor for reference rows, which take no rank")


class Leaderboard(BaseModel):
    competition: str
    title: str
    view: str
    updated_at: datetime | None
    rows: list[LeaderboardRow] = Field(description="Best score first, reference rows among them")
