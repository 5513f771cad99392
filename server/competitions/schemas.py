"""What anybody may know of a competition; hidden fields have no place here."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, Field, create_model

from lethe.evaluator.contract.limits import limits_of
from lethe.evaluator.contract.specification import DependenciesSpec, LimitsSpec, QuotasSpec


class CompetitionRow(BaseModel):
    slug: str
    title: str
    summary: str
    phase: str = Field(description="practice, open, paused, closed, final or revealed")
    benchmark: bool = Field(default=False, description="Uploads go on after the reveal, on a board of their own")
    teams: int
    submissions: int
    public_starts_at: datetime | None = Field(default=None, description="Uploads are taken from then on")
    public_ends_at: datetime | None = Field(default=None, description="The planned end of uploads")
    closed_at: datetime | None = Field(default=None, description="When the last upload was taken; null while more are")
    revealed_at: datetime | None = Field(default=None, description="When the final results were revealed")


def _public(name: str, *specs: type[BaseModel]) -> type[BaseModel]:
    """Return a model of the limits in `specs` that participants see."""
    fields: dict[str, Any] = {
        field: (Annotated[kind.model_fields[field].annotation, limit], Field(description=limit.description))
        for kind in specs
        for field, limit in limits_of(kind).items()
        if not limit.hidden
    }
    return create_model(name, **fields)


if TYPE_CHECKING:  # type checkers cannot see fields that a function makes

    class PublicLimits(LimitsSpec, DependenciesSpec): ...

    class PublicQuotas(QuotasSpec): ...
else:
    PublicLimits = _public("PublicLimits", LimitsSpec, DependenciesSpec)
    PublicQuotas = _public("PublicQuotas", QuotasSpec)


class PublicCounts(BaseModel):
    """Images on each side that a submission sees, and how many classes there are."""

    retain: int
    forget: int
    validation: int
    classes: int


class PracticeView(BaseModel):
    """The practice bundle, which `GET /competitions/{slug}/practice` has."""

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    size_bytes: int = Field(ge=1)
    oracles: int = Field(description="Practice oracles whose outputs it has; 0 until all of them are trained")


class TermsView(BaseModel):
    """What each person accepts before their first upload. `sha256` is the version of the text."""

    text: str
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class NewAcceptance(BaseModel):
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="Of the terms that were read, as the competition has it")


class TermsAccepted(BaseModel):
    sha256: str
    accepted_at: datetime


class NetworkView(BaseModel):
    """The network that submissions are given."""

    name: str
    options: dict[str, Any] = Field(description="What its constructor gets beside the number of classes")
    source: str = Field(description="Of a host's own module, which defines build(classes); empty for a shipped network")
    weights: int | None = Field(description="Numbers in its parameters; null where an older version created it")
    layers: list[str] = Field(description="The names of its parts, in their order")


class TaskView(BaseModel):
    name: str
    share: float = Field(description="Its part of the score")
    architecture: str
    image_size: int
    classes: int


class CompetitionFacts(CompetitionRow):
    description: str
    opened_at: datetime | None
    final_ends_at: datetime | None = Field(description="When the final board is promised")
    edited_at: datetime | None = Field(default=None, description="When the host last edited texts, dates or quotas")
    photographs_deleted_at: datetime | None = Field(
        default=None, description="When the host deleted all photographs and what was made of them; null: not so far"
    )
    looks: tuple[int, ...] = Field(
        default=(),
        description="After so many runs a submission stops that is significantly below its team's best; empty: never",
    )
    final_selections: int = Field(description="How many submissions a team may choose for the final evaluation")
    metric: dict[str, str | int | bool] | None = Field(description="How scores are computed; null before the reveal")
    architecture: str = Field(description="Of the network, by name")
    network: NetworkView | None = Field(default=None, description="null from servers of older versions")
    image_size: int
    batch_size: int
    runs: int = Field(description="How often each submission is run, every time with its own seed; on each task")
    originals: int = Field(default=1, description="Original models of each task; a submission does `runs` from each")
    tasks: list[TaskView] = Field(default=[], description="What each file is run on; empty: one task, the one above")
    limits: PublicLimits
    quotas: PublicQuotas = Field(description="What a team may send; 0: no limit")
    counts: PublicCounts
    class_names: list[str] = Field(default=[], description="By class number; empty where classes have no names")
    practice_counts: PublicCounts | None = Field(description="Of the practice data; null where they were not counted")
    practice: PracticeView | None = Field(default=None, description="The practice bundle; null where there is none")
    environment: dict[str, str] = Field(description="Versions of what a submission can import")
    extra_parameters: list[str] = Field(description="Further parameters of unlearning that are bound by name")
    outputs_after_reveal: bool = Field(
        default=False,
        description="After the reveal a team gets the margins of its runs and of the oracles; if false, only the host",
    )
    terms: TermsView | None = Field(
        default=None, description="Each person accepts them before their first upload; null: there are none"
    )
    links: dict[str, str] = Field(
        default={}, description="Addresses of discussion, contact, rules and paper, as far as the host gave them"
    )
    consent: str = Field(default="", description="How people agreed to the use of their photographs")
    retention: str = Field(default="", description="How long photographs, and what was made of them, are kept")
    methods_shown: str = Field(
        default="after_reveal",
        description="When boards show method and link of each team's best submission: never, after_reveal or always",
    )
    benchmark_started_at: datetime | None = Field(
        default=None, description="When the host first took uploads after the reveal; null: never"
    )
    benchmark_ended_at: datetime | None = Field(
        default=None, description="When that ended; null: it goes on, or never was"
    )


class AnnouncementView(BaseModel):
    title: str
    body: str = Field(description="Markdown")
    created_at: datetime
