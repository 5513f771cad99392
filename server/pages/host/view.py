"""The host's page: state of the competition, all submissions, workers and the audit log, as values for its template."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from lethe.evaluator.contract.states import TERMINAL_STATES, SubmissionState
from lethe.server.audit_log.events import list_events
from lethe.server.competitions import phases
from lethe.server.competitions import service as competitions
from lethe.server.database import counters
from lethe.server.hosting.cost import hours_text
from lethe.server.hosting.machine_time import machine_time
from lethe.server.hosting.queries import find_submissions
from lethe.server.models import AuditEvent, Competition, Submission
from lethe.server.models.times import utc_now
from lethe.server.pages.card import Card, card
from lethe.server.pages.formatting import Fact, Moment, count_text, moment, score_text
from lethe.server.pages.headlines import HEADLINES, stopped_headline
from lethe.server.queue.fair_order import have_runs_begun
from lethe.server.queue.workers import WorkerRow, list_workers
from lethe.server.submissions.queries import count_unfinished

STATES = HEADLINES | {SubmissionState.RUNNING: "Running, or waiting to run"}
"""States in the database, for counts and the filter: a line of the table tells what runs from what waits."""
SUBMISSIONS_SHOWN = 100
LIVE_POLL_S = 15
EVENTS_SHOWN = 30
TEAMS_SHOWN = 10

ACTIONS = {
    "resume": ("Reopen", "Ends a pause or an early close."),
    "pause": ("Pause", "Stops uploads for a while; the queue continues."),
    "close": ("Close", "Stops uploads and freezes the selections."),
    "reveal": ("Reveal", "Shows the final board and the metric to everybody. This cannot be undone."),
}
"""Actions on the whole competition: the button, and its effect."""

CONSEQUENCES = {
    "close": (
        "Uploads stop now, and no team can change its selections.",
        "What is in the queue is still evaluated.",
        "You can reopen it until the final evaluation begins.",
    ),
    "reveal": (
        "Everybody sees the final board, the metric and the analysis.",
        "Teams see the parts of their scores and may publish their sources.",
        "It cannot be undone.",
    ),
}
"""What follows on those actions that ask before they are done."""


@dataclass(frozen=True)
class ActionButton:
    """An action on the whole competition. One with `consequences` asks first; `is_final`: it cannot be undone."""

    name: str
    title: str
    about: str
    consequences: tuple[str, ...]
    is_final: bool


@dataclass(frozen=True)
class NextStep:
    """A step that needs the oracle banks, and so the command line."""

    text: str
    command: str


@dataclass(frozen=True)
class SubmissionLine:
    """A submission as its host sees it."""

    id: str
    team: str
    filename: str
    state: str
    headline: str
    fault: str
    score: str
    evaluation: str
    alike: int
    created: Moment
    disqualified: str
    is_live: bool


@dataclass(frozen=True)
class WorkerLine:
    """A worker, its current item and its sandbox mode."""

    name: str
    state: str
    doing: str
    seen: Moment
    mode: str


@dataclass(frozen=True)
class EventLine:
    """One entry of the audit log; `keys` are what an edit changed."""

    when: Moment
    actor: str
    action: str
    target: str
    keys: str


@dataclass(frozen=True)
class HoursPart:
    """Hours of machines of ended submissions by stage and outcome, and of the teams that used most."""

    summary: str
    by_outcome: tuple[tuple[str, str, str], ...]
    by_team: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class HostPage:
    """Everything on the host's page."""

    card: Card
    notice: str
    problem: str
    standing: str
    actions: tuple[ActionButton, ...]
    next: NextStep | None
    export: str
    can_extend: bool
    counts: tuple[Fact, ...]
    state: str
    search: str
    poll_s: int
    states: tuple[tuple[str, str], ...]
    lines: tuple[SubmissionLine, ...]
    hours: HoursPart
    workers: tuple[WorkerLine, ...]
    events: tuple[EventLine, ...]


ACTIONS_OFFERED = {
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
    """Return the page; `state` and `search`, which looks in names of teams and files, narrow the submissions."""
    current = phases.phase(competition)
    events, _ = list_events(session, competition_id=competition.id, cursor=None, limit=EVENTS_SHOWN)
    valid_state = state if state in set(SubmissionState) else ""
    return HostPage(
        card=card(competitions.row(session, competition)),
        notice=notice,
        problem=problem,
        standing=phases.describe(competition),
        actions=tuple(_button(session, competition, name) for name in ACTIONS_OFFERED[current]),
        next=_next(competition, current),
        export=f"lethe admin competition export {competition.slug} FOLDER",
        can_extend=current in {phases.Phase.PRACTICE, phases.Phase.OPEN, phases.Phase.PAUSED, phases.Phase.CLOSED},
        counts=_counts(session, competition),
        state=valid_state,
        search=search,
        poll_s=LIVE_POLL_S,
        states=(("", "All"), *((one.value, STATES[one]) for one in SubmissionState)),
        lines=_lines(session, competition, valid_state, search),
        hours=_hours(session, competition),
        workers=tuple(_worker(row) for row in list_workers(session)),
        events=tuple(_event(event) for event in events),
    )


def _button(session: Session, competition: Competition, name: str) -> ActionButton:
    title, about = ACTIONS[name]
    consequences = CONSEQUENCES.get(name, ())
    if name == "close":
        waiting = sum(count_unfinished(session, competition.id).values())
        consequences = (*consequences, f"{count_text(waiting, 'submission')} in the queue now.")
    return ActionButton(name, title, about, consequences, is_final=name == "reveal")


def _next(competition: Competition, current: phases.Phase) -> NextStep | None:
    """Return the next step that needs the oracle banks, and so the command line, with its command."""
    command = f"lethe admin competition {{}} {competition.slug}".format
    if current is phases.Phase.DRAFT:
        return NextStep("Publish it when its banks are full:", command("open"))
    if current is phases.Phase.REVEALED and not phases.is_benchmark(competition):
        return NextStep("Keep it open as a benchmark, with a board apart:", command("benchmark"))
    if current is not phases.Phase.CLOSED:
        return None
    return NextStep(
        "Final evaluation of what the teams have selected. After it begins, uploads cannot be reopened. The command "
        "says its cost and asks before it begins:",
        command("finals"),
    )


def _counts(session: Session, competition: Competition) -> tuple[Fact, ...]:
    counted = count_unfinished(session, competition.id) | counters.states(session, competition.id, TERMINAL_STATES)
    return tuple(Fact(STATES[one], f"{counted[one]:,}") for one in SubmissionState if counted.get(one))


def _lines(session: Session, competition: Competition, state: str, search: str) -> tuple[SubmissionLine, ...]:
    found = find_submissions(session, competition.id, state=state, search=search, limit=SUBMISSIONS_SHOWN)
    return tuple(
        SubmissionLine(
            id=str(one.submission.id),
            team=one.team,
            filename=one.submission.filename,
            alike=one.alike,
            state=one.submission.state,
            headline=_headline(session, one.submission),
            fault=one.submission.fault_code or "",
            score="" if one.final_score is None else score_text(one.final_score),
            evaluation=one.submission.evaluation,
            created=moment(one.submission.created_at),
            disqualified=one.submission.disqualified_reason or "",
            is_live=not SubmissionState(one.submission.state).is_terminal,
        )
        for one in found
    )


def _headline(session: Session, submission: Submission) -> str:
    if submission.stopped_after is not None and submission.state == SubmissionState.SCORED:
        return stopped_headline(submission.stopped_after, submission.runs_total)
    return HEADLINES[_state(session, submission)]


def _hours(session: Session, competition: Competition) -> HoursPart:
    found = machine_time(session, competition)
    figures = competitions.prepared_once(competition).public.figures
    saved = f", {hours_text(found.saved_h)} saved by looks" if found.saved_h else ""
    return HoursPart(
        summary=f"{hours_text(found.total_h)} of ended submissions{saved}. A model took {figures.retrain_wall_s:.1f} s "
        "when the competition was created.",
        by_outcome=tuple((stage, outcome, hours_text(spent)) for (stage, outcome), spent in found.by_outcome.items()),
        by_team=tuple((team, hours_text(spent)) for team, spent in list(found.by_team.items())[:TEAMS_SHOWN]),
    )


def _state(session: Session, submission: Submission) -> SubmissionState:
    """Return the state; what has passed the check and waits for its first run is queued, as its team sees it."""
    state = SubmissionState(submission.state)
    is_waiting = state is SubmissionState.RUNNING and not have_runs_begun(session, submission, utc_now())
    return SubmissionState.QUEUED if is_waiting else state


def _worker(row: WorkerRow) -> WorkerLine:
    return WorkerLine(
        name=row.name,
        state=row.state,
        doing=row.doing or "",
        seen=moment(row.seen_at),
        mode=row.capabilities.sandbox_mode,
    )


def _event(event: AuditEvent) -> EventLine:
    keys = ", ".join(event.details.get("keys", ()))
    return EventLine(moment(event.created_at), event.actor, event.action, event.target, keys)
