"""The pages of a host: the one page, its table as CSV, and the acts that lead a competition."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from server.accounts.roles import require_host
from server.audit_log.events import user_actor
from server.competitions import service as competitions
from server.context import AppContext, Context
from server.errors import InvalidValue, NotFound, RequestError
from server.hosting import actions, finals
from server.hosting.queries import all_submissions
from server.http.csv_table import csv_table
from server.models import Submission
from server.pages import texts
from server.pages.forms import notice, refusal, to, to_login
from server.pages.host.view import host_page
from server.pages.rendering import READ, SECURITY_HEADERS, page
from server.security.sessions import FormVisitor, OptionalVisitor, RequiredVisitor, Visitor
from server.submissions import reruns
from server.submissions import service as submissions

router = APIRouter(include_in_schema=False)

SEARCH_CHARS = 80
TABLE_COLUMNS = (
    *("submission", "team", "filename", "evaluation", "state", "fault", "final_score"),
    *("created_at", "disqualified"),
)

Text = Annotated[str, Form(max_length=10_000)]


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
        rows = [
            [
                *(one.submission.id, one.team, one.submission.filename, one.submission.evaluation),
                *(one.submission.state, one.submission.fault_code, one.final_score),
                *(one.submission.created_at.isoformat(), one.submission.disqualified_reason),
            ]
            for one in all_submissions(session, competition.id)
        ]
    headers = {
        **SECURITY_HEADERS,
        "Cache-Control": "no-store",
        "Content-Disposition": f'attachment; filename="{slug}-submissions.csv"',
    }
    return Response(csv_table(TABLE_COLUMNS, rows), media_type="text/csv; charset=utf-8", headers=headers)


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
        "resume": lambda session: actions.open_competition(session, slug, actor=actor),
        "pause": lambda session: actions.pause(session, slug, actor=actor),
        "close": lambda session: actions.close(session, slug, actor=actor),
        "extend": lambda session: actions.extend(session, slug, _time(until), actor=actor),
        "reveal": lambda session: finals.reveal(session, _sure(slug, sure), actor=actor),
        "announce": lambda session: actions.announce(session, slug, title=_title(title), body=body, actor=actor),
    }
    if act not in doings:
        raise NotFound(texts.NO_SUCH_ACT)
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
            raise NotFound(texts.NOT_IN_COMPETITION)
        if act == "cancel":
            submission, owner = submissions.get_cancellable(session, submission_id, visitor.user)
            submissions.cancel(session, submission, owner)
        elif act == "disqualify":
            if not reason:
                raise InvalidValue(texts.SAY_WHY)
            actions.disqualify_submission(session, found, reason=reason, actor=user_actor(visitor.user))
        elif act == "qualify":
            actions.disqualify_submission(session, found, reason=None, actor=user_actor(visitor.user))
        elif act == "rerun":
            reruns.rerun(session, found, fresh_seeds=False, actor=user_actor(visitor.user))
        else:
            raise NotFound(texts.NO_SUCH_ACT)


def _sure(slug: str, said: str) -> str:
    """The slug, once the host has said so; browsers ask for it before they send."""
    if not said:
        raise InvalidValue(texts.SAY_SURE)
    return slug


def _time(text: str) -> datetime:
    """A browser's local time field is read as UTC, as the page says."""
    try:
        return datetime.fromisoformat(f"{text}+00:00")
    except ValueError as error:
        raise actions.InvalidEnd(texts.SAY_WHEN) from error


def _title(text: str) -> str:
    if not 1 <= len(text.strip()) <= actions.TITLE_CHARS:
        raise InvalidValue(texts.TITLE_NEEDED.format(most=actions.TITLE_CHARS))
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
        view = host_page(session, competition, state=state, search=search, notice=notice(request), problem=problem)
    return page(request, "host/host.html", view, visitor, status=status, keep=False)
