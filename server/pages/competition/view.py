"""What the pages say, ready for the templates: frozen values, no queries, no formatting left to do."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from evaluator.contract.fault_texts import FAULT_TEXTS
from evaluator.contract.prepared_competition import ArtifactRef
from evaluator.contract.specification import CompetitionSpec
from evaluator.contract.submission import FUNCTION, PARAMETERS
from server.competitions.phases import Phase
from server.competitions.schemas import CompetitionFacts, CompetitionRow
from server.leaderboard.board_page import BoardPage
from server.models import Announcement
from server.pages import texts
from server.pages.board import Board, Head, board, plain_heads
from server.pages.formatting import Fact, Moment, count_text, limit_facts, moment, paragraphs
from server.pages.snippets import STARTER, Commands, commands


@dataclass(frozen=True)
class Card:
    """A competition in a list, and at the head of its own pages."""

    slug: str
    title: str
    summary: str
    phase: str
    phase_text: str
    teams: str
    submissions: str


@dataclass(frozen=True)
class News:
    """Something that the host announced."""

    title: str
    body: tuple[str, ...]
    when: Moment


@dataclass(frozen=True)
class Step:
    """A date of the competition's calendar."""

    title: str
    when: Moment
    is_past: bool


@dataclass(frozen=True)
class HomePage:
    """The list of competitions; `start` has commands for the newest open one, None when none is open."""

    competitions: tuple[Card, ...]
    start: Commands | None


@dataclass(frozen=True)
class CompetitionPage:
    """The overview of one competition."""

    card: Card
    description: tuple[str, ...]
    news: tuple[News, ...]
    timeline: tuple[Step, ...]
    rules: tuple[Fact, ...]
    metric: tuple[Fact, ...]
    signature: str
    starter: str
    extra_parameters: tuple[str, ...]
    data: tuple[Fact, ...]
    limits: tuple[Fact, ...]
    environment: tuple[Fact, ...]
    runs: int
    image_size: int
    batch_size: int
    contact_sheet: str
    commands: Commands
    board: Board
    heads: dict[str, Head]


@dataclass(frozen=True)
class ErrorsPage:
    """The codes of ends without a score, each with what to do about it."""

    codes: tuple[Fact, ...]


def errors_page() -> ErrorsPage:
    """What `GET /errors` shows."""
    return ErrorsPage(tuple(Fact(code.value, text) for code, text in FAULT_TEXTS.items()))


def home_page(rows: list[CompetitionRow], base_url: str) -> HomePage:
    """The values of the home page; `base_url` is where the visitor reached this server."""
    open_slug = next((row.slug for row in rows if row.phase == "open"), None)
    return HomePage(
        competitions=tuple(card(row) for row in rows),
        start=None if open_slug is None else commands(base_url, open_slug),
    )


def competition_page(
    facts: CompetitionFacts,
    spec: CompetitionSpec,
    standings: BoardPage,
    contact_sheet: ArtifactRef,
    announced: Sequence[Announcement],
    base_url: str,
    *,
    now: datetime,
) -> CompetitionPage:
    """The values of a competition's overview; of the contact sheet only the digest is used, of `spec` the rules."""
    return CompetitionPage(
        card=card(facts),
        description=paragraphs(facts.description),
        news=tuple(News(one.title, paragraphs(one.body), moment(one.created_at)) for one in announced),
        timeline=_timeline(facts, now),
        rules=_rules(facts, spec),
        metric=tuple(Fact(name.replace("_", " "), str(value)) for name, value in (facts.metric or {}).items()),
        signature=f"{FUNCTION}({', '.join(PARAMETERS)})",
        starter=STARTER,
        extra_parameters=tuple(facts.extra_parameters),
        data=_data(facts),
        limits=_limits(facts),
        environment=tuple(Fact(name, version) for name, version in sorted(facts.environment.items())),
        runs=facts.runs,
        image_size=facts.image_size,
        batch_size=facts.batch_size,
        contact_sheet=f"/competitions/{facts.slug}/contact-sheet.png?v={contact_sheet.sha256[:12]}",
        commands=commands(base_url, facts.slug),
        board=board(standings),
        heads=plain_heads(),
    )


def card(row: CompetitionRow) -> Card:
    """A competition's card and the head of its pages."""
    return Card(
        slug=row.slug,
        title=row.title,
        summary=row.summary,
        phase=row.phase,
        phase_text=texts.PHASES[Phase(row.phase)],
        teams=count_text(row.teams, "team"),
        submissions=count_text(row.submissions, "submission"),
    )


def _timeline(facts: CompetitionFacts, now: datetime) -> tuple[Step, ...]:
    """What is known of the calendar, in its order."""
    start = max((when for when in (facts.opened_at, facts.public_starts_at) if when is not None), default=None)
    end = facts.closed_at or facts.public_ends_at
    dates = (
        (texts.UPLOADS_FROM, start),
        (texts.UPLOADS_UNTIL, end),
        (texts.FINAL_RESULTS, facts.revealed_at or facts.final_ends_at),
    )
    return tuple(Step(title, moment(when), when <= now) for title, when in dates if when is not None)


def _rules(facts: CompetitionFacts, spec: CompetitionSpec) -> tuple[Fact, ...]:
    return (
        Fact(texts.TEAM_SIZE, texts.TEAM_SIZE_VALUE.format(people=count_text(spec.team_size, "person", "people"))),
        *limit_facts(facts.quotas),
        Fact(texts.SELECTED, texts.SELECTED_VALUE.format(count=spec.evaluation.final_selections)),
    )


def _data(facts: CompetitionFacts) -> tuple[Fact, ...]:
    counts = facts.counts
    return (
        Fact(texts.RETAIN_SET, count_text(counts.retain, "image")),
        Fact(texts.FORGET_SET, count_text(counts.forget, "image")),
        Fact(texts.VALIDATION_SET, count_text(counts.validation, "image")),
        Fact(texts.CLASSES, texts.CLASSES_VALUE.format(count=counts.classes)),
        Fact(texts.IMAGE, texts.IMAGE_VALUE.format(size=facts.image_size)),
        Fact(texts.BATCH_SIZE, str(facts.batch_size)),
        Fact(texts.NETWORK, facts.architecture),
    )


def _limits(facts: CompetitionFacts) -> tuple[Fact, ...]:
    return (*limit_facts(facts.limits), Fact(texts.NETWORK_ACCESS, texts.NO_NETWORK))
