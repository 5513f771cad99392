"""What a host's page shows: how the competition stands, everybody's submissions, workers and the audit log."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from evaluator.contract.states import TERMINAL_STATES, SubmissionState
from server.audit_log.events import list_events
from server.competitions import phases
from server.competitions import service as competitions
from server.database import counters
from server.hosting import finals
from server.hosting.queries import find_submissions
from server.models import AuditEvent, Competition
from server.pages import texts
from server.pages.competition import view as views
from server.pages.formatting import Fact, Moment, count_text, duration_text, moment, score_text
from server.queue.workers import WorkerRow, list_workers
from server.submissions.queries import count_unfinished

SUBMISSIONS_SHOWN = 100
LIVE_POLL_S = 15
EVENTS_SHOWN = 30


@dataclass(frozen=True)
class Line:
    """A submission as its host sees it."""

    id: str
    team: str
    filename: str
    state: str
    headline: str
    fault: str
    score: str
    evaluation: str
    created: Moment
    disqualified: str
    is_live: bool


@dataclass(frozen=True)
class WorkerLine:
    """A worker: what it does and can."""

    name: str
    state: str
    doing: str
    seen: Moment
    mode: str


@dataclass(frozen=True)
class EventLine:
    """One entry of the audit log."""

    when: Moment
    actor: str
    action: str
    target: str


@dataclass(frozen=True)
class HostPage:
    """Everything that a host needs to lead a competition."""

    card: views.Card
    notice: str
    problem: str
    standing: str
    acts: tuple[tuple[str, str, str], ...]
    next: str
    can_extend: bool
    counts: tuple[Fact, ...]
    state: str
    search: str
    poll_s: int
    states: tuple[tuple[str, str], ...]
    lines: tuple[Line, ...]
    workers: tuple[WorkerLine, ...]
    events: tuple[EventLine, ...]


OFFERED = {
    phases.Phase.DRAFT: (),
    phases.Phase.PRACTICE: ("close",),
    phases.Phase.OPEN: ("pause", "close"),
    phases.Phase.PAUSED: ("resume", "close"),
    phases.Phase.CLOSED: ("resume", "reveal"),
    phases.Phase.FINAL: ("reveal",),
    phases.Phase.REVEALED: (),
}


def host_page(
    session: Session,
    competition: Competition,
    *,
    state: str = "",
    search: str = "",
    notice: str = "",
    problem: str = "",
) -> HostPage:
    """The page; `state` and `search`, in names of teams and files, narrow the list of submissions."""
    current = phases.phase(competition)
    events, _ = list_events(session, competition_id=competition.id, cursor=None, limit=EVENTS_SHOWN)
    wanted = state if state in set(SubmissionState) else ""
    return HostPage(
        card=views.card(competitions.row(session, competition)),
        notice=notice,
        problem=problem,
        standing=phases.describe(competition),
        acts=tuple((act, *texts.ACTS[act]) for act in OFFERED[current]),
        next=_next(session, competition, current),
        can_extend=current in {phases.Phase.PRACTICE, phases.Phase.OPEN, phases.Phase.PAUSED, phases.Phase.CLOSED},
        counts=_counts(session, competition),
        state=wanted,
        search=search,
        poll_s=LIVE_POLL_S,
        states=(("", texts.ALL_STATES), *((one.value, texts.HEADLINES[one]) for one in SubmissionState)),
        lines=_lines(session, competition, wanted, search),
        workers=tuple(_worker(row) for row in list_workers(session)),
        events=tuple(_event(event) for event in events),
    )


def _next(session: Session, competition: Competition, current: phases.Phase) -> str:
    """What only the command line does, because it needs the oracle banks: with the command, and what it costs."""
    if current is phases.Phase.DRAFT:
        return texts.PUBLISH.format(slug=competition.slug)
    if current is not phases.Phase.CLOSED:
        return ""
    plan = finals.plan(session, competition)
    return texts.FINALS.format(
        submissions=count_text(len(plan.submissions), "submission"),
        teams=count_text(plan.teams, "team"),
        runs=plan.runs,
        cost="" if plan.worker_s is None else texts.FINALS_COST.format(duration=duration_text(plan.worker_s)),
        slug=competition.slug,
    )


def _counts(session: Session, competition: Competition) -> tuple[Fact, ...]:
    counted = count_unfinished(session, competition.id) | counters.states(session, competition.id, TERMINAL_STATES)
    return tuple(Fact(texts.HEADLINES[one], f"{counted[one]:,}") for one in SubmissionState if counted.get(one))


def _lines(session: Session, competition: Competition, state: str, search: str) -> tuple[Line, ...]:
    found = find_submissions(session, competition.id, state=state, search=search, limit=SUBMISSIONS_SHOWN)
    return tuple(
        Line(
            id=str(one.submission.id),
            team=one.team,
            filename=one.submission.filename,
            state=one.submission.state,
            headline=texts.HEADLINES[SubmissionState(one.submission.state)],
            fault=one.submission.fault_code or "",
            score="" if one.final_score is None else score_text(one.final_score),
            evaluation=one.submission.evaluation,
            created=moment(one.submission.created_at),
            disqualified=one.submission.disqualified_reason or "",
            is_live=not SubmissionState(one.submission.state).is_terminal,
        )
        for one in found
    )


def _worker(row: WorkerRow) -> WorkerLine:
    return WorkerLine(
        name=row.name,
        state=row.state,
        doing=row.doing or "",
        seen=moment(row.seen_at),
        mode=row.capabilities.sandbox_mode,
    )


def _event(event: AuditEvent) -> EventLine:
    return EventLine(moment(event.created_at), event.actor, event.action, event.target)
