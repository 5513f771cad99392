"""What anybody may know of a competition; hidden fields have no place here."""

from datetime import datetime

from pydantic import BaseModel, Field


class CompetitionRow(BaseModel):
    slug: str
    title: str
    summary: str
    phase: str = Field(description="practice, open, paused, closed, final or revealed")
    teams: int
    submissions: int


class PublicLimits(BaseModel):
    upload_bytes: int
    run_wall_s: float
    check_wall_s: float
    run_cpu_s: float
    memory_bytes: int
    scratch_bytes: int
    processes: int
    threads: int


class PublicCounts(BaseModel):
    """Images on each side that a submission sees, and how many classes there are."""

    retain: int
    forget: int
    validation: int
    classes: int


class CompetitionFacts(CompetitionRow):
    description: str
    opened_at: datetime | None
    closed_at: datetime | None = Field(description="When the last upload was taken; null while more are")
    public_starts_at: datetime | None = Field(description="Uploads are taken from then on")
    public_ends_at: datetime | None = Field(description="The planned end of uploads")
    final_ends_at: datetime | None = Field(description="When the final board is promised")
    revealed_at: datetime | None
    final_selections: int = Field(description="How many submissions a team may choose for the final evaluation")
    metric: dict[str, str | int | bool] | None = Field(description="How scores are computed; null before the reveal")
    architecture: str
    image_size: int
    batch_size: int
    runs: int = Field(description="How often each submission is run, every time with its own seed")
    limits: PublicLimits
    counts: PublicCounts
    environment: dict[str, str] = Field(description="Versions of what a submission can import")
    extra_parameters: list[str] = Field(description="Further parameters of unlearning that are bound by name")


class AnnouncementView(BaseModel):
    title: str
    body: str = Field(description="Plain text")
    created_at: datetime
