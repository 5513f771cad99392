"""Routes of a competition's host: the page, its table as CSV, and the actions on competition and submissions."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from lethe.server.audit_log.events import user_actor
from lethe.server.competitions import service as competitions
from lethe.server.context import AppContext, Context
from lethe.server.errors import InvalidValue, NotFound, RequestError
from lethe.server.hosting import actions, finals
from lethe.server.hosting.queries import all_submissions
from lethe.server.http.csv_table import csv_table
from lethe.server.models import Submission
from lethe.server.pages.forms import notice, redirect, redirect_to_login, refusal_text
from lethe.server.pages.host.view import host_page
from lethe.server.pages.rendering import SECURITY_HEADERS, render_page
from lethe.server.security.sessions import FormVisitor, OptionalVisitor, RequiredVisitor, Visitor
from lethe.server.submissions import reruns
from lethe.server.submissions import service as submissions

router = APIRouter(include_in_schema=False)

SEARCH_CHARS = 80
TABLE_COLUMNS = (
    *("submission", "team", "filename", "evaluation", "state", "fault", "final_score"),
    *("created_at", "disqualified", "alike", "method", "link", "note", "stopped_after", "look_difference"),
)

Text = Annotated[str, Form(max_length=10_000)]


@router.get("/host/{slug}")
def host(
    slug: str, request: Request, context: AppContext, visitor: OptionalVisitor, state: str = "", q: str = ""
) -> Response:
    """Show the host's page."""
    if visitor is None:
        return redirect_to_login(request)
    return _host_page(request, context, slug, visitor, state=state, search=q.strip()[:SEARCH_CHARS])


@router.get("/host/{slug}/submissions.csv")
def submissions_table(slug: str, context: AppContext, visitor: RequiredVisitor) -> Response:
    """Return every submission with its unrounded score, as CSV."""
    with context.database.read() as session:
        competition = competitions.get_hosted(session, slug, visitor.user)
        rows = [
            [
                *(one.submission.id, one.team, one.submission.filename, one.submission.evaluation),
                *(one.submission.state, one.submission.fault_code, one.final_score),
                *(one.submission.created_at.isoformat(), one.submission.disqualified_reason, one.alike),
                *(one.submission.method, one.submission.link, one.submission.note),
                *(one.submission.stopped_after, _look_difference(one.submission)),
            ]
            for one in all_submissions(session, competition.id)
        ]
    headers = {
        **SECURITY_HEADERS,
        "Cache-Control": "no-store",
        "Content-Disposition": f'attachment; filename="{slug}-submissions.csv"',
    }
    return Response(csv_table(TABLE_COLUMNS, rows), media_type="text/csv; charset=utf-8", headers=headers)


def _look_difference(submission: Submission) -> float | None:
    """Return how far below its team's best a stopped submission was, both of equally many runs."""
    look = submission.stopping_look
    return None if look is None else float(look["difference"])


@router.post("/host/{slug}/{action}")
def run_action(
    slug: str,
    action: str,
    request: Request,
    context: AppContext,
    visitor: FormVisitor,
    until: Text = "",
    title: Text = "",
    body: Text = "",
    sure: Text = "",
) -> Response:
    """Run one of the host's actions on the whole competition."""
    actor = user_actor(visitor.user)
    actions_by_name: dict[str, Callable[[Session], object]] = {
        "resume": lambda session: actions.open_competition(session, slug, actor=actor),
        "pause": lambda session: actions.pause(session, slug, actor=actor),
        "close": lambda session: actions.close(session, slug, actor=actor),
        "extend": lambda session: actions.extend(session, slug, _utc_time(until), actor=actor),
        "reveal": lambda session: finals.reveal(session, _confirmed(slug, sure), actor=actor),
        "announce": lambda session: actions.announce(session, slug, title=title, body=body, actor=actor),
    }
    if action not in actions_by_name:
        raise NotFound("Unknown action.")
    try:
        with context.database.write() as session:
            competitions.get_hosted(session, slug, visitor.user)
            actions_by_name[action](session)
    except RequestError as error:
        return _host_page(request, context, slug, visitor, problem=refusal_text(error), status=error.status)
    context.wake.workers()
    return redirect(f"/host/{slug}", "done")


@router.post("/host/{slug}/submissions/{submission_id}/{action}")
def run_submission_action(
    slug: str,
    submission_id: UUID,
    action: str,
    request: Request,
    context: AppContext,
    visitor: FormVisitor,
    reason: Text = "",
) -> Response:
    """Run one of the host's actions on a submission."""
    try:
        _run_submission_action(context, slug, submission_id, action, visitor, reason)
    except RequestError as error:
        return _host_page(request, context, slug, visitor, problem=refusal_text(error), status=error.status)
    context.wake.workers()
    return redirect(f"/host/{slug}", "done")


def _run_submission_action(
    context: Context, slug: str, submission_id: UUID, action: str, visitor: Visitor, reason: str
) -> None:
    with context.database.write() as session:
        competition = competitions.get_hosted(session, slug, visitor.user)
        found = session.get(Submission, submission_id, with_for_update=True)
        if found is None or found.competition_id != competition.id:
            raise NotFound("There is no such submission in this competition.")
        if action == "cancel":
            submission, owner = submissions.get_cancellable(session, submission_id, visitor.user)
            submissions.cancel(session, submission, owner)
        elif action == "disqualify":
            actions.disqualify_submission(session, found, reason=reason, actor=user_actor(visitor.user))
        elif action == "qualify":
            actions.disqualify_submission(session, found, reason=None, actor=user_actor(visitor.user))
        elif action == "rerun":
            reruns.rerun(session, found, fresh_seeds=False, actor=user_actor(visitor.user))
        else:
            raise NotFound("Unknown action.")


def _confirmed(slug: str, confirmation: str) -> str:
    """Return the slug if the host has ticked the box, which browsers require before they send."""
    if not confirmation:
        raise InvalidValue(
            "A reveal cannot be undone: tick the box beside the button to confirm that you understand this."
        )
    return slug


def _utc_time(text: str) -> datetime:
    """Return the time of a browser's local time field, which is UTC, as the page says."""
    try:
        return datetime.fromisoformat(f"{text}+00:00")
    except ValueError as error:
        raise actions.InvalidEnd("Give the new end as a date and a time in UTC.") from error


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
        competition = competitions.get_hosted(session, slug, visitor.user)
        view = host_page(session, competition, state=state, search=search, notice=notice(request), problem=problem)
    return render_page(request, "host/host.html", view, visitor, status=status, cacheable=False)
