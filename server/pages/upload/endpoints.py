"""Pages of submissions: upload a file or pasted source, and follow what becomes of it."""

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from limits import parse

from evaluator.contract.states import Evaluation
from evaluator.contract.submission import FILENAME
from server.competitions import phases
from server.competitions import service as competitions
from server.competitions.disclosure import Viewer
from server.context import AppContext, Context
from server.errors import RequestError
from server.http.client_address import client_address
from server.http.rate_limit import TooManyRequests
from server.leaderboard import service as leaderboards
from server.pages import texts
from server.pages.competition import view as views
from server.pages.formatting import Moment, count_text, moment, size_text
from server.pages.forms import notice, refusal, to, to_login, with_wait
from server.pages.rendering import READ, SECURITY_HEADERS, page
from server.pages.snippets import STARTER, notebook
from server.pages.source_view import Line, source_lines
from server.pages.submission.evidence import evidence
from server.pages.submission.view import submission_page
from server.security import sessions
from server.security.sessions import FormVisitor, OptionalVisitor, RequiredVisitor, Visitor
from server.submissions import quotas, selections, upload_body, uploads
from server.submissions import service as submissions
from server.submissions.static_check import RefusedFile, check_file
from server.submissions.views import receipt, submission_log
from server.submissions.views import view as submission_view
from server.teams.service import find_team

router = APIRouter(include_in_schema=False)

CHECKS = parse("60/minute")


@dataclass(frozen=True)
class Verdict:
    """What the static check says of a file, with its source and the line at fault."""

    is_good: bool
    text: str
    notes: tuple[str, ...]
    lines: tuple[Line, ...]
    marked: int | None


@dataclass(frozen=True)
class SubmitPage:
    """The upload form of a competition, with why nothing can be uploaded now; `source` is what was pasted before."""

    card: views.Card
    closed: str
    is_over: bool
    limit: str
    left: tuple[str, ...]
    resets: Moment | None
    starter: str
    source: str
    problem: str
    verdict: Verdict | None


@router.api_route("/competitions/{slug}/submit", methods=READ)
def submit_form(slug: str, request: Request, context: AppContext, visitor: OptionalVisitor) -> Response:
    """Where one uploads."""
    return to_login(request) if visitor is None else _submit_page(request, context, slug, visitor)


@router.post("/competitions/{slug}/submit")
async def submit(slug: str, request: Request, context: AppContext, visitor: RequiredVisitor) -> Response:
    """Upload a file, or what was pasted; with the button `check` only check it."""
    limit_bytes = await run_in_threadpool(_limit_bytes, context, slug)
    try:
        sent = await upload_body.read_form(request, limit_bytes)
    except RefusedFile as error:
        return await run_in_threadpool(_refused, request, context, slug, visitor, error, "")
    sessions.require_proof(request, visitor, sent.fields.get("csrf_token", ""))
    pasted = sent.fields.get("source", "").replace("\r\n", "\n")
    data = sent.data or pasted.encode()
    name = upload_body.clean_filename(sent.filename) if sent.data else FILENAME
    upload = uploads.Upload(name, data, visitor.user, address=client_address(request.scope))
    act = _check if "check" in sent.fields else _upload
    return await upload_body.run_in_upload_thread(context, act, request, context, slug, visitor, upload)


@router.api_route("/competitions/{slug}/starter.py", methods=READ)
def starter(slug: str, context: AppContext) -> Response:
    """A file to begin with."""
    with context.database.read() as session:
        competitions.get_competition(session, slug)
    headers = {**SECURITY_HEADERS, "Content-Disposition": f'attachment; filename="{FILENAME}"'}
    return Response(STARTER, media_type="text/x-python; charset=utf-8", headers=headers)


@router.api_route("/competitions/{slug}/starter.ipynb", methods=READ)
def starter_notebook(slug: str, context: AppContext) -> Response:
    """The same as a notebook, which can be uploaded as well."""
    with context.database.read() as session:
        competitions.get_competition(session, slug)
    headers = {**SECURITY_HEADERS, "Content-Disposition": 'attachment; filename="submission.ipynb"'}
    return Response(json.dumps(notebook(STARTER), indent=1), media_type="application/x-ipynb+json", headers=headers)


@router.api_route("/submissions/{submission_id}", methods=READ)
def submission(submission_id: UUID, request: Request, context: AppContext, visitor: OptionalVisitor) -> Response:
    """One of my team's submissions, or any of a competition that I host."""
    if visitor is None:
        return to_login(request)
    with context.database.read() as session:
        found, viewer = submissions.get_shown(session, submission_id, visitor.user)
        shown = submission_view(session, found, viewer)
        competition = competitions.get_competition(session, shown.competition, drafts=viewer is Viewer.HOST)
        standings = leaderboards.leaderboard(session, competition, Evaluation(found.evaluation), limit=0)
        scored = None if shown.score is None else receipt(session, found)
        shown_evidence = evidence(session, competition, found, viewer)
        can_select = viewer is Viewer.TEAM and phases.may_choose(competition)
    lines = source_lines(context.artifacts.get(found.source_key))
    log = None if found.check_report is None else submission_log(found)
    view = submission_page(
        shown,
        log,
        lines,
        standings,
        receipt=scored,
        evidence=shown_evidence,
        can_select=can_select,
        is_own=viewer is Viewer.TEAM,
        is_charged=found.is_charged,
        notice=notice(request),
    )
    return page(request, "submission/submission.html", view, visitor)


@router.post("/submissions/{submission_id}/cancel")
def cancel(submission_id: UUID, context: AppContext, visitor: FormVisitor) -> Response:
    """End one of my team's submissions."""
    with context.database.write() as session:
        found, owner = submissions.get_cancellable(session, submission_id, visitor.user)
        submissions.cancel(session, found, owner)
    return to(f"/submissions/{submission_id}", "cancelled")


@router.post("/submissions/{submission_id}/select")
def select(submission_id: UUID, context: AppContext, visitor: FormVisitor) -> Response:
    """Choose one for the final evaluation."""
    with context.database.write() as session:
        selections.select_submission(session, submissions.get_own(session, submission_id, visitor.user))
    return to(f"/submissions/{submission_id}", "selected")


@router.post("/submissions/{submission_id}/unselect")
def unselect(submission_id: UUID, context: AppContext, visitor: FormVisitor) -> Response:
    """Take a choice back."""
    with context.database.write() as session:
        selections.unselect_submission(session, submissions.get_own(session, submission_id, visitor.user))
    return to(f"/submissions/{submission_id}", "unselected")


def _limit_bytes(context: Context, slug: str) -> int:
    with context.database.read() as session:
        return competitions.specification(competitions.get_competition(session, slug)).limits.upload_bytes


def _upload(request: Request, context: Context, slug: str, visitor: Visitor, upload: uploads.Upload) -> Response:
    try:
        received = uploads.receive(context, uploads.open_competition(context, slug), upload)
    except RequestError as error:
        return _refused(request, context, slug, visitor, error, _text(upload.data))
    return to(f"/submissions/{received.answer.id}", "known" if received.status == uploads.REPEATED else "")


def _check(request: Request, context: Context, slug: str, visitor: Visitor, upload: uploads.Upload) -> Response:
    """What the static check says, without storing anything; bounded by its own rate, for it starts a process."""
    wait_s = context.rates.wait_s(CHECKS, "static check", visitor.user.id.hex)
    try:
        if wait_s is not None:
            raise TooManyRequests(texts.TOO_MANY_CHECKS, wait_s)
        checked = check_file(upload.data, filename=upload.filename, limit_bytes=_limit_bytes(context, slug))
    except RequestError as error:
        return _refused(request, context, slug, visitor, error, _text(upload.data))
    needs = texts.NEEDS.format(packages=", ".join(checked.dependencies)) if checked.dependencies else ""
    verdict = Verdict(
        is_good=True,
        text=texts.CAN_BE_SUBMITTED + needs,
        notes=checked.notes,
        lines=source_lines(checked.source),
        marked=None,
    )
    return _submit_page(request, context, slug, visitor, source=_text(checked.source), verdict=verdict)


def _refused(
    request: Request, context: Context, slug: str, visitor: Visitor, error: RequestError, source: str
) -> Response:
    """The form again, with the reason, and with the line where the static check found one."""
    line: Any = error.members.get("line")
    verdict = None
    if isinstance(error, RefusedFile) and source:
        verdict = Verdict(is_good=False, text=str(error), notes=(), lines=source_lines(source.encode()), marked=line)
    problem = "" if verdict else refusal(error)
    answer = _submit_page(
        request, context, slug, visitor, source=source, verdict=verdict, problem=problem, status=error.status
    )
    return with_wait(answer, error)


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return ""


def _submit_page(
    request: Request,
    context: Context,
    slug: str,
    visitor: Visitor,
    *,
    source: str = "",
    problem: str = "",
    verdict: Verdict | None = None,
    status: int = 200,
) -> Response:
    with context.database.read() as session:
        competition = competitions.get_competition(session, slug)
        spec = competitions.specification(competition)
        card = views.card(competitions.row(session, competition))
        team = find_team(session, competition, visitor.user)
        quota = quotas.view(session, competition, team, visitor.user, spec.quotas)
    left = (
        (quota.submissions_left_today, "submission", texts.LEFT_TODAY),
        (quota.submissions_left, "submission", texts.LEFT_IN_ALL),
        (quota.attempts_left_today, "attempt", texts.LEFT_TODAY),
    )
    view = SubmitPage(
        card=card,
        closed=texts.NO_UPLOADS.get(phases.phase(competition), ""),
        is_over=not phases.may_choose(competition),
        limit=size_text(spec.limits.upload_bytes),
        left=tuple(text.format(count=count_text(count, what)) for count, what, text in left if count is not None),
        resets=moment(quota.resets_at) if quota.submissions_left_today is not None else None,
        starter=f"/competitions/{slug}/starter",
        source=source,
        problem=problem,
        verdict=verdict,
    )
    return page(request, "upload/upload.html", view, visitor, status=status, keep=False)
