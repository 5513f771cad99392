"""What anybody may know of a competition; hidden fields have no place here."""

from datetime import datetime

from pydantic import BaseModel, Field


class CompetitionRow(BaseModel):
    slug: str
    title: str
    summary: str
    phase: str = Field(description="draft, open or closed")
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
    closed_at: datetime | None
    architecture: str
    image_size: int
    batch_size: int
    runs: int = Field(description="How often each submission is run, every time with its own seed")
    limits: PublicLimits
    counts: PublicCounts
    environment: dict[str, str] = Field(description="Versions of what a submission can import")
    extra_parameters: list[str] = Field(description="Further parameters of unlearning that are bound by name")
