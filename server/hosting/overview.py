"""All that a host asks about one competition: phase, dates, data, banks, teams, submissions, disk, last changes."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from lethe.evaluator.artifacts import ArtifactStore
from lethe.evaluator.artifacts.oracles import trained_indices
from lethe.evaluator.contract.parts import task_splits
from lethe.evaluator.contract.states import Evaluation
from lethe.server.accounts.roles import hosts
from lethe.server.audit_log.events import list_events
from lethe.server.competitions import service
from lethe.server.competitions.phases import describe, phase
from lethe.server.context import Context
from lethe.server.hosting import deletion, queries
from lethe.server.hosting.calibration import wanted_oracles
from lethe.server.models import Competition

DATES = (
    *("created_at", "opened_at", "public_starts_at", "public_ends_at", "paused_at", "closed_at", "finals_started_at"),
    *("final_ends_at", "revealed_at", "benchmark_started_at", "benchmark_ended_at", "edited_at"),
    "photographs_deleted_at",
)
EVENTS = 5


@dataclass(frozen=True)
class BankFill:
    """How many of a bank's models are trained."""

    bank: str
    trained: int
    wanted: int


@dataclass(frozen=True)
class Event:
    """An event of the audit log."""

    at: datetime
    actor: str
    action: str
    target: str


@dataclass(frozen=True)
class Overview:
    """`dates` has those that are set. `counts` and `figures` are of each split by name, `counts` also of practice.

    `submissions` counts by evaluation and state. `disk` is the bytes in each folder of the store that no other
    competition needs; sources and plots are not measured. `events` are the newest of the audit log.
    """

    slug: str
    title: str
    phase: str
    state: str
    hosts: list[str]
    dates: dict[str, datetime]
    photographs: int
    counts: dict[str, dict[str, int]]
    figures: dict[str, dict[str, float]]
    banks: list[BankFill]
    teams: int
    submissions: dict[str, dict[str, int]]
    disk: dict[str, int]
    events: list[Event]


def overview(context: Context, slug: str) -> Overview:
    """Return what there is to know about the competition, draft or not; raises CompetitionNotFound."""
    with context.database.read() as session:
        competition = service.get_competition(session, slug, drafts=True)
        prepared = service.prepared_once(competition)
        splits = task_splits(service.specification(competition), prepared)
        events, _ = list_events(session, competition_id=competition.id, cursor=None, limit=EVENTS)
        practice = {} if prepared.practice.counts is None else {"practice": prepared.practice.counts.model_dump()}
        return Overview(
            slug=slug,
            title=competition.title,
            phase=phase(competition).value,
            state=describe(competition),
            hosts=hosts(session, competition),
            dates={name: at for name in DATES if (at := getattr(competition, name)) is not None},
            photographs=prepared.data.images,
            counts={name: one.split.counts.model_dump() for name, one in splits.items()} | practice,
            figures={name: one.split.figures.model_dump() for name, one in splits.items()},
            banks=_banks(context.artifacts, competition),
            teams=service.row(session, competition).teams,
            submissions={one.value: found for one in Evaluation if (found := _states(session, competition, one))},
            disk=_disk(session, context.artifacts, competition),
            events=[Event(one.created_at, one.actor, one.action, one.target) for one in events],
        )


def _banks(store: ArtifactStore, competition: Competition) -> list[BankFill]:
    """Return the banks of all splits and of practice; none once their models are deleted."""
    if competition.photographs_deleted_at is not None:
        return []
    spec, prepared = service.specification(competition), service.prepared_competition(competition)
    banks = [
        BankFill(name, len(trained_indices(store, one.split.bank_digest)), wanted_oracles(spec))
        for name, one in task_splits(spec, prepared).items()
    ]
    bundle = prepared.practice.bundle
    published = 0 if bundle is None else bundle.oracles
    return [*banks, *([BankFill("practice", published, spec.practice.oracles)] if spec.practice.oracles else [])]


def _states(session: Session, competition: Competition, evaluation: Evaluation) -> dict[str, int]:
    return {state.value: number for state, number in queries.count_by_state(session, competition, evaluation).items()}


def _disk(session: Session, store: ArtifactStore, competition: Competition) -> dict[str, int]:
    found: dict[str, int] = {}
    banks = deletion.own_banks(session, store, competition)
    for key, size in deletion.own_artifacts(session, store, competition, banks).items():
        folder = key.partition("/")[0]
        found[folder] = found.get(folder, 0) + size
    return {folder: size for folder, size in sorted(found.items()) if size}
