"""The page of a host: how the competition stands, everybody's submissions, workers, and the acts that lead it."""

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response
from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from evaluator.contract.states import SubmissionState
from server.accounts.roles import require_host
from server.audit.service import list_events, user_actor
from server.competitions import acts, finals, phases
from server.competitions import service as competitions
from server.context import AppContext, Context
from server.errors import NotFound, RequestError
from server.models import AuditEvent, Competition, Score, Submission, Team
from server.pages import views
from server.pages.formatting import Moment, count_text, duration_text, moment, score_text
from server.pages.forms import notice, refusal, to, to_login
from server.pages.rendering import READ, SECURITY_HEADERS, page
from server.pages.submission_page import HEADLINES
from server.pages.texts import Fact
from server.sessions import FormVisitor, OptionalVisitor, RequiredVisitor, Visitor
from server.submissions import reruns
from server.submissions import service as submissions
from server.work.workers import WorkerRow, list_workers

router = APIRouter(include_in_schema=False)

SUBMISSIONS_SHOWN = 100
SEARCH_CHARS = 80
LIVE_POLL_S = 15
TABLE_COLUMNS = (
    *("submission", "team", "filename", "evaluation", "state", "fault", "final_score"),
    *("created_at", "disqualified"),
)
EVENTS_SHOWN = 30

Text = Annotated[str, Form(max_length=10_000)]


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


ACTS: dict[str, tuple[str, str]] = {
    "resume": ("Take uploads", "Ends a pause or an early close."),
    "pause": ("Pause", "Takes no uploads for a while; the queue goes on."),
    "close": ("Close", "Takes no more uploads and freezes the selections."),
    "reveal": ("Reveal", "Shows the final board and the metric to everybody. It cannot be taken back."),
}
OFFERED = {
    phases.Phase.DRAFT: (),
    phases.Phase.PRACTICE: ("close",),
    phases.Phase.OPEN: ("pause", "close"),
    phases.Phase.PAUSED: ("resume", "close"),
    phases.Phase.CLOSED: ("resume", "reveal"),
    phases.Phase.FINAL: ("reveal",),
    phases.Phase.REVEALED: (),
}


@router.api_route("/host/{slug}", methods=READ)
def host(
    slug: str, request: Request, context: AppContext, visitor: OptionalVisitor, state: str = "", q: str = ""
) -> Response:
    """The host's page."""
    if visitor is None:
        return to_login(request)
    return _host_page(request, context, slug, visitor, state=state, search=q.strip()[:SEARCH_CHARS])


@router.api_route("/host/{slug}/submissions.csv", methods=READ)
def submissions_table(slug: str, context: AppContext, visitor: RequiredVisitor) -> Response:
    """Every submission with its unrounded score, as CSV."""
    with context.database.read() as session:
        competition = competitions.get_competition(session, slug, drafts=True)
        require_host(session, competition, visitor.user)
        buffer = io.StringIO()
        writer = csv.writer(buffer)
        writer.writerow(TABLE_COLUMNS)
        for found, team, score in session.execute(_query(competition)):
            writer.writerow(
                [
                    *(found.id, team, found.filename, found.evaluation, found.state, found.fault_code or ""),
                    *("" if score is None else score, found.created_at.isoformat(), found.disqualified_reason or ""),
                ]
            )
    headers = {
        **SECURITY_HEADERS,
        "Cache-Control": "no-store",
        "Content-Disposition": f'attachment; filename="{slug}-submissions.csv"',
    }
    return Response(buffer.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)


@router.post("/host/{slug}/{act}")
def lead(
    slug: str,
    act: str,
    request: Request,
    context: AppContext,
    visitor: FormVisitor,
    until: Text = "",
    title: Text = "",
    body: Text = "",
    sure: Text = "",
) -> Response:
    """One of the host's acts on the whole competition."""
    actor = user_actor(visitor.user)
    doings: dict[str, Callable[[Session], object]] = {
        "resume": lambda session: acts.open_competition(session, slug, actor=actor),
        "pause": lambda session: acts.pause(session, slug, actor=actor),
        "close": lambda session: acts.close(session, slug, actor=actor),
        "extend": lambda session: acts.extend(session, slug, _time(until), actor=actor),
        "reveal": lambda session: finals.reveal(session, _sure(slug, sure), actor=actor),
        "announce": lambda session: acts.announce(session, slug, title=_title(title), body=body, actor=actor),
    }
    if act not in doings:
        raise NotFound("There is no such act.")
    try:
        with context.database.write() as session:
            require_host(session, competitions.get_competition(session, slug, drafts=True), visitor.user)
            doings[act](session)
    except RequestError as error:
        return _host_page(request, context, slug, visitor, problem=refusal(error), status=error.status)
    context.wake.workers()
    return to(f"/host/{slug}", "done")


@router.post("/host/{slug}/submissions/{submission_id}/{act}")
def lead_submission(
    slug: str,
    submission_id: UUID,
    act: str,
    request: Request,
    context: AppContext,
    visitor: FormVisitor,
    reason: Text = "",
) -> Response:
    """One of the host's acts on a submission."""
    try:
        _act_on(context, slug, submission_id, act, visitor, reason.strip())
    except RequestError as error:
        return _host_page(request, context, slug, visitor, problem=refusal(error), status=error.status)
    context.wake.workers()
    return to(f"/host/{slug}", "done")


def _act_on(context: Context, slug: str, submission_id: UUID, act: str, visitor: Visitor, reason: str) -> None:
    with context.database.write() as session:
        competition = competitions.get_competition(session, slug, drafts=True)
        require_host(session, competition, visitor.user)
        found = session.get(Submission, submission_id, with_for_update=True)
        if found is None or found.competition_id != competition.id:
            raise NotFound("There is no such submission in this competition.")
        if act == "cancel":
            submission, owner = submissions.get_cancellable(session, submission_id, visitor.user)
            submissions.cancel(session, submission, owner)
        elif act == "disqualify":
            if not reason:
                raise acts.PhaseConflict("Say why: the team sees the reason.")
            acts.disqualify_submission(session, found, reason=reason, actor=user_actor(visitor.user))
        elif act == "qualify":
            acts.disqualify_submission(session, found, reason=None, actor=user_actor(visitor.user))
        elif act == "rerun":
            reruns.rerun(session, found, fresh_seeds=False, actor=user_actor(visitor.user))
        else:
            raise NotFound("There is no such act.")


def _sure(slug: str, said: str) -> str:
    """The slug, once the host has said so; browsers ask for it before they send."""
    if not said:
        raise acts.PhaseConflict(
            "A reveal cannot be taken back: tick the box beside the button to say that you mean it."
        )
    return slug


def _time(text: str) -> datetime:
    """A browser's local time field is read as UTC, as the page says."""
    try:
        return datetime.fromisoformat(f"{text}+00:00")
    except ValueError as error:
        raise acts.PhaseConflict("Give the new end as a date and a time in UTC.") from error


def _title(text: str) -> str:
    if not 1 <= len(text.strip()) <= acts.TITLE_CHARS:
        raise acts.PhaseConflict(f"An announcement needs a title of 1 to {acts.TITLE_CHARS} characters.")
    return text.strip()


def _host_page(
    request: Request,
    context: Context,
    slug: str,
    visitor: Visitor,
    *,
    state: str = "",
    search: str = "",
    problem: str = "",
    status: int = 200,
) -> Response:
    with context.database.read() as session:
        competition = competitions.get_competition(session, slug, drafts=True)
        require_host(session, competition, visitor.user)
        current = phases.phase(competition)
        events, _ = list_events(session, competition_id=competition.id, cursor=None, limit=EVENTS_SHOWN)
        wanted = state if state in set(SubmissionState) else ""
        view = HostPage(
            card=views.card(competitions.row(session, competition)),
            notice=notice(request),
            problem=problem,
            standing=phases.describe(competition),
            acts=tuple((act, *ACTS[act]) for act in OFFERED[current]),
            next=_next(session, competition, current),
            can_extend=current in {phases.Phase.PRACTICE, phases.Phase.OPEN, phases.Phase.PAUSED, phases.Phase.CLOSED},
            counts=_counts(session, competition),
            state=wanted,
            search=search,
            poll_s=LIVE_POLL_S,
            states=(("", "All"), *((one.value, HEADLINES[one]) for one in SubmissionState)),
            lines=_lines(session, competition, wanted, search),
            workers=tuple(_worker(row) for row in list_workers(session)),
            events=tuple(_event(event) for event in events),
        )
    return page(request, "host.html", view, visitor, status=status, keep=False)


def _next(session: Session, competition: Competition, current: phases.Phase) -> str:
    """What only the command line does, because it needs the oracle banks: with the command, and what it costs."""
    if current is phases.Phase.DRAFT:
        return f"Publish it when its banks are full: lethe admin competition open {competition.slug}"
    if current is not phases.Phase.CLOSED:
        return ""
    plan = finals.plan(session, competition)
    cost = "" if plan.worker_s is None else f", about {duration_text(plan.worker_s)} of one worker"
    return (
        f"Final evaluation of {count_text(len(plan.submissions), 'submission')} of {count_text(plan.teams, 'team')} "
        f"({plan.runs:,} runs{cost}): lethe admin competition finals {competition.slug}"
    )


def _counts(session: Session, competition: Competition) -> tuple[Fact, ...]:
    found = session.execute(
        select(Submission.state, func.count())
        .where(Submission.competition_id == competition.id)
        .group_by(Submission.state)
    )
    counted = {row[0]: row[1] for row in found}
    return tuple(Fact(HEADLINES[one], f"{counted[one]:,}") for one in SubmissionState if counted.get(one))


def _query(competition: Competition) -> Select[Submission, str, float]:
    return (
        select(Submission, Team.name, Score.final_score)
        .join(Team, Team.id == Submission.team_id)
        .outerjoin(Score, (Score.submission_id == Submission.id) & (Score.generation == Submission.generation))
        .where(Submission.competition_id == competition.id)
        .order_by(Submission.created_at.desc(), Submission.id)
    )


def _lines(session: Session, competition: Competition, state: str, search: str) -> tuple[Line, ...]:
    query = _query(competition).limit(SUBMISSIONS_SHOWN)
    if state:
        query = query.where(Submission.state == state)
    if search:
        key = search.casefold()
        in_file = func.lower(Submission.filename).contains(key, autoescape=True)
        query = query.where(Team.name_key.contains(key, autoescape=True) | in_file)
    return tuple(
        Line(
            id=str(found.id),
            team=team,
            filename=found.filename,
            state=found.state,
            headline=HEADLINES[found.state],
            fault=found.fault_code or "",
            score="" if score is None else score_text(score),
            evaluation=found.evaluation,
            created=moment(found.created_at),
            disqualified=found.disqualified_reason or "",
            is_live=not SubmissionState(found.state).is_terminal,
        )
        for found, team, score in session.execute(query)
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
