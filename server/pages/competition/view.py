"""The home page and the overview of a competition, as values for their templates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup

from lethe.evaluator.contract.batch_counts import batches
from lethe.evaluator.contract.practice import classes_text
from lethe.evaluator.contract.prepared_competition import ArtifactRef
from lethe.evaluator.contract.specification import CompetitionSpec
from lethe.evaluator.contract.states import Evaluation
from lethe.evaluator.contract.submission import FUNCTION, PARAMETERS
from lethe.server.competitions.phases import Phase
from lethe.server.competitions.schemas import CompetitionFacts, CompetitionRow, TaskView
from lethe.server.leaderboard.board_page import BoardPage
from lethe.server.leaderboard.queries import OwnPlace
from lethe.server.models import Announcement
from lethe.server.pages.board import Board, Head, board, plain_heads, rows_at
from lethe.server.pages.card import Card, card
from lethe.server.pages.competition.contact_sheet import Sheet
from lethe.server.pages.formatting import (
    Fact,
    Moment,
    Outward,
    count_text,
    limit_facts,
    looks_text,
    methods_text,
    moment,
    network_facts,
    outputs_text,
    paragraphs,
    size_text,
)
from lethe.server.pages.markdown import markdown
from lethe.server.pages.snippets import STARTER, Commands, commands

LINKS = {"discussion": "Discussion", "contact": "Contact", "rules": "Further rules", "paper": "Paper"}
PACKAGES = {"any": "any that has wheels", "none": "none"}
BATCH = ("image", "age_group", "image_id", "age", "person_id")


@dataclass(frozen=True)
class AnnouncementText:
    """An announcement of the host; `body` is HTML."""

    title: str
    body: Markup
    when: Moment


@dataclass(frozen=True)
class TimelineStep:
    """A date of the competition's calendar."""

    title: str
    when: Moment
    is_past: bool


@dataclass(frozen=True)
class PracticeLink:
    """The download of the practice bundle: its address on this site, and what it is."""

    href: str
    text: str


@dataclass(frozen=True)
class OwnStanding:
    """Where the visitor's team stands; `score` is empty before its first one."""

    team: str
    rank: str
    score: str


@dataclass(frozen=True)
class HomePage:
    """All competitions: `own` are those that the visitor's teams are in, each with the team's place.

    `open_slug` is the newest competition that takes uploads, and `start` has its commands; empty and None without one.
    """

    own: tuple[tuple[Card, str], ...]
    others: tuple[tuple[Card, str], ...]
    open_slug: str
    start: Commands | None


@dataclass(frozen=True)
class CompetitionPage:
    """The overview of one competition."""

    card: Card
    links: tuple[tuple[Outward, str], ...]
    own: OwnStanding | None
    description: Markup
    terms: tuple[str, ...]
    consent: tuple[str, ...]
    retention: tuple[str, ...]
    announcements: tuple[AnnouncementText, ...]
    timeline: tuple[TimelineStep, ...]
    rules: tuple[Fact, ...]
    metric: tuple[Fact, ...]
    signature: str
    starter: str
    extra_parameters: tuple[str, ...]
    data: tuple[Fact, ...]
    network_source: str
    limits: tuple[Fact, ...]
    environment: tuple[Fact, ...]
    runs: int
    contact_sheet: str | None
    sheet: Sheet | None
    batch: tuple[str, ...]
    sheet_rows: str
    practice: PracticeLink | None
    commands: Commands
    board: Board
    is_final: bool
    heads: dict[str, Head]
    cite: str


ORDER = (Phase.OPEN, Phase.PAUSED, Phase.PRACTICE, Phase.CLOSED, Phase.FINAL, Phase.REVEALED)
"""Of lists of competitions; those in one phase stay in the order in which they come."""


def home_page(rows: list[CompetitionRow], places: Mapping[str, OwnPlace], base_url: str) -> HomePage:
    """Return the values of the home page; `places` are those of the visitor's teams by slug.

    `base_url` is where the visitor reached this server.
    """
    rows = sorted(rows, key=lambda row: ORDER.index(Phase(row.phase)))
    open_slug = next((row.slug for row in rows if row.phase == Phase.OPEN), "")
    return HomePage(
        own=tuple((card(row), _place_text(places[row.slug])) for row in rows if row.slug in places),
        others=tuple((card(row), "") for row in rows if row.slug not in places),
        open_slug=open_slug,
        start=commands(base_url, open_slug) if open_slug else None,
    )


def _place_text(place: OwnPlace) -> str:
    return "no score yet" if place.rank is None else f"rank {place.rank:,}"


def competition_page(
    facts: CompetitionFacts,
    spec: CompetitionSpec,
    standings: BoardPage,
    contact_sheet: ArtifactRef,
    announced: Sequence[Announcement],
    base_url: str,
    *,
    evaluation: Evaluation,
    now: datetime,
    sheet: Sheet | None = None,
    own: OwnStanding | None = None,
    cite: str = "",
) -> CompetitionPage:
    """Return the values of a competition's overview; `spec` gives the rules, `contact_sheet` its version.

    `standings` are those of `evaluation`, `sheet` is the picture itself, of which the page needs the size, `own` the
    place of the visitor's team, `cite` the BibTeX entry.
    """
    return CompetitionPage(
        card=card(facts),
        links=tuple((Outward(address, address), LINKS[name]) for name, address in facts.links.items()),
        own=own,
        description=markdown(facts.description),
        terms=() if facts.terms is None else paragraphs(facts.terms.text),
        consent=paragraphs(facts.consent),
        retention=paragraphs(facts.retention),
        announcements=tuple(
            AnnouncementText(one.title, markdown(one.body, 4), moment(one.created_at)) for one in announced
        ),
        timeline=_timeline(facts, now),
        rules=_rules(facts, spec),
        metric=tuple(Fact(name.replace("_", " "), str(value)) for name, value in (facts.metric or {}).items()),
        signature=f"{FUNCTION}({', '.join(PARAMETERS)})",
        starter=STARTER,
        extra_parameters=tuple(facts.extra_parameters),
        data=_data(facts),
        network_source="" if facts.network is None else facts.network.source,
        limits=_limits(facts),
        environment=(
            *(Fact(name, version) for name, version in sorted(facts.environment.items())),
            Fact(
                "Further packages",
                ", ".join(spec.dependencies.allowed)
                if spec.dependencies.mode == "allow-list"
                else PACKAGES[spec.dependencies.mode],
            ),
        ),
        runs=facts.runs,
        contact_sheet=_contact_sheet(facts, contact_sheet),
        sheet=sheet,
        batch=BATCH,
        sheet_rows=", ".join(f"{number} {name}" for number, name in enumerate(facts.class_names)),
        practice=_practice(facts),
        commands=commands(base_url, facts.slug),
        board=board(standings, rows_at(facts.slug, evaluation)),
        is_final=evaluation is Evaluation.FINAL,
        heads=plain_heads(),
        cite=cite,
    )


def _contact_sheet(facts: CompetitionFacts, sheet: ArtifactRef) -> str | None:
    if facts.photographs_deleted_at is not None:
        return None
    return f"/competitions/{facts.slug}/contact-sheet.webp?v={sheet.sha256[:12]}"


def _practice(facts: CompetitionFacts) -> PracticeLink | None:
    if facts.practice is None:
        return None
    oracles = count_text(facts.practice.oracles, "practice oracle")
    content = f"data, network{f', {oracles}' if facts.practice.oracles else ''}, {size_text(facts.practice.size_bytes)}"
    return PracticeLink(f"/api/v1/competitions/{facts.slug}/practice", f"Download the practice bundle ({content})")


def _timeline(facts: CompetitionFacts, now: datetime) -> tuple[TimelineStep, ...]:
    """Return the dates that are set, in the calendar's order; last, when the page was edited."""
    start = max((when for when in (facts.opened_at, facts.public_starts_at) if when is not None), default=None)
    end = facts.closed_at or facts.public_ends_at
    dates = (
        ("Uploads from", start),
        ("Uploads until", end),
        ("Final results", facts.revealed_at or facts.final_ends_at),
        ("Benchmark from", facts.benchmark_started_at),
        ("Benchmark until", facts.benchmark_ended_at),
        ("Edited by the host", facts.edited_at),
        ("Photographs deleted", facts.photographs_deleted_at),
    )
    return tuple(TimelineStep(title, moment(when), when <= now) for title, when in dates if when is not None)


def _rules(facts: CompetitionFacts, spec: CompetitionSpec) -> tuple[Fact, ...]:
    return (
        Fact("Team", f"{count_text(spec.team_size, 'person', 'people')} at most"),
        *limit_facts(facts.quotas),
        *(Fact(f"Task {task.name}", task_text(task)) for task in facts.tasks),
        *((Fact("Original models", f"{facts.originals} of each task"),) if facts.originals > 1 else ()),
        *((Fact("Stops below your best", f"after {looks_text(facts.looks)} runs"),) if facts.looks else ()),
        Fact("Selected for the final", f"{spec.evaluation.final_selections} per team"),
        Fact("Outputs of the runs", outputs_text(facts.outputs_after_reveal)),
        Fact("Names of methods", methods_text(facts.methods_shown)),
    )


def _data(facts: CompetitionFacts) -> tuple[Fact, ...]:
    counts, practice = facts.counts, facts.practice_counts
    return (
        Fact("Retain set", count_text(counts.retain, "image")),
        Fact("Forget set", count_text(counts.forget, "image")),
        Fact("Validation set", count_text(counts.validation, "image")),
        Fact("Labels", classes_text(counts.classes, facts.class_names)),
        Fact("Image", f"3 × {facts.image_size} × {facts.image_size}, float32, 0 to 255"),
        Fact("Batch size", str(facts.batch_size)),
        Fact("Batches", batches(counts, facts.batch_size)),
        *(() if practice is None else (Fact("Batches on practice data", batches(practice, facts.batch_size)),)),
        Fact("Network", facts.architecture),
        *(() if facts.network is None else network_facts(facts.network)),
    )


def _limits(facts: CompetitionFacts) -> tuple[Fact, ...]:
    return (*limit_facts(facts.limits), Fact("Network access", "none"))


def task_text(task: TaskView) -> str:
    """Return what a task is, for everybody."""
    return f"{task.architecture}, {task.classes} classes, {100 * task.share:.0f}% of the score"
