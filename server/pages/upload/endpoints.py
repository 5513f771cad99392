"""Routes of the upload form and of the starter files."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from limits import parse

from lethe.evaluator.contract.specification import CompetitionSpec
from lethe.evaluator.contract.submission import FILENAME
from lethe.server.competitions import service as competitions
from lethe.server.competitions import terms
from lethe.server.context import AppContext, Context
from lethe.server.errors import RequestError
from lethe.server.http.client_address import client_address
from lethe.server.http.rate_limit import TooManyRequests
from lethe.server.http.sub_path import public_url
from lethe.server.pages.card import card
from lethe.server.pages.forms import notice, redirect, redirect_to_login, refusal_text, with_retry_after
from lethe.server.pages.rendering import SECURITY_HEADERS, render_page
from lethe.server.pages.snippets import STARTER
from lethe.server.pages.starter_notebook import NOTEBOOK, starter_notebook
from lethe.server.pages.upload.view import Verdict, accepted, refused, upload_page
from lethe.server.security import sessions
from lethe.server.security.sessions import FormVisitor, OptionalVisitor, RequiredVisitor, Visitor
from lethe.server.submissions import parser_pool, quotas, upload_body, uploads
from lethe.server.submissions.descriptions import Description, InvalidDescription, description_of
from lethe.server.submissions.static_check import RefusedFile, check_file
from lethe.server.teams.service import find_team

router = APIRouter(include_in_schema=False)

CHECKS = parse("60/minute")
CHECK_UNITS = parse("600/hour")
UNIT_S = 0.1
"""Checks count by the processor time that they take, in tenths of a second: a minute an hour for each account."""


@router.get("/competitions/{slug}/submit")
def submit_form(slug: str, request: Request, context: AppContext, visitor: OptionalVisitor) -> Response:
    """Show the upload form."""
    return redirect_to_login(request) if visitor is None else _upload_page(request, context, slug, visitor)


@router.post("/competitions/{slug}/submit")
async def submit(slug: str, request: Request, context: AppContext, visitor: RequiredVisitor) -> Response:
    """Upload a file or pasted source; the button `check` only checks it."""
    spec = await run_in_threadpool(_specification, context, slug)
    try:
        sent = await upload_body.read_form(request, spec.limits.upload_bytes)
    except RefusedFile as error:
        return await run_in_threadpool(_refused, request, context, slug, visitor, error, "", {})
    sessions.require_proof(request, visitor, sent.fields.get("csrf_token", ""))
    pasted = sent.fields.get("source", "").replace("\r\n", "\n")
    data = sent.data or pasted.encode()
    name = upload_body.clean_filename(sent.filename) if sent.data else FILENAME
    is_check = "check" in sent.fields
    handle = _check if is_check else _upload
    said = {name: sent.fields.get(name, "") for name in Description.model_fields}
    try:
        upload = uploads.Upload(
            name,
            data,
            visitor.user,
            address=client_address(request.scope),
            description=description_of(sent.fields),
        )
        return await upload_body.run_in_upload_thread(
            context, visitor.user.id, handle, request, context, slug, visitor, upload, said, is_check=is_check
        )
    except (InvalidDescription, TooManyRequests) as error:
        return await run_in_threadpool(_refused, request, context, slug, visitor, error, _decoded(data), said)


@router.post("/competitions/{slug}/terms")
def accept_terms(
    slug: str,
    request: Request,
    context: AppContext,
    visitor: FormVisitor,
    sha256: Annotated[str, Form(max_length=64)] = "",
) -> Response:
    """Accept the terms that the upload form has shown."""
    try:
        with context.database.write() as session:
            terms.accept(session, competitions.get_competition(session, slug), visitor.user, sha256)
    except (terms.TermsChanged, terms.NoTerms) as error:
        return _upload_page(request, context, slug, visitor, problem=str(error), status=error.status)
    return redirect(f"/competitions/{slug}/submit", "terms")


@router.get("/competitions/{slug}/starter.py")
def starter(slug: str, context: AppContext) -> Response:
    """Return the starter file."""
    with context.database.read() as session:
        competitions.get_competition(session, slug)
    headers = {**SECURITY_HEADERS, "Content-Disposition": f'attachment; filename="{FILENAME}"'}
    return Response(STARTER, media_type="text/x-python; charset=utf-8", headers=headers)


@router.get("/competitions/{slug}/starter.ipynb")
def starter_as_notebook(slug: str, request: Request, context: AppContext) -> Response:
    """Return a notebook that practises for this competition and submits; it can be uploaded, too."""
    with context.database.read() as session:
        competitions.get_competition(session, slug)
    headers = {**SECURITY_HEADERS, "Content-Disposition": f'attachment; filename="{NOTEBOOK}"'}
    text = starter_notebook(slug, public_url(request))
    return Response(text, media_type="application/x-ipynb+json", headers=headers)


def _specification(context: Context, slug: str) -> CompetitionSpec:
    with context.database.read() as session:
        return competitions.specification(competitions.get_competition(session, slug))


def _upload(
    request: Request, context: Context, slug: str, visitor: Visitor, upload: uploads.Upload, said: dict[str, str]
) -> Response:
    try:
        received = uploads.receive(context, uploads.open_competition(context, slug), upload)
    except RequestError as error:
        return _refused(request, context, slug, visitor, error, _decoded(upload.data), said)
    return redirect(f"/submissions/{received.answer.id}", "resubmitted" if received.status == uploads.REPEATED else "")


def _check(
    request: Request, context: Context, slug: str, visitor: Visitor, upload: uploads.Upload, said: dict[str, str]
) -> Response:
    """Show the result of the static check and store nothing; rate limits of its own bound what it costs."""
    account = visitor.user.id.hex
    waits = (context.rates.wait_s(rule, "static check", account) for rule in (CHECKS, CHECK_UNITS))
    wait_s = max((wait for wait in waits if wait is not None), default=None)
    try:
        if wait_s is not None:
            raise TooManyRequests("Too many checks.", wait_s)
        with parser_pool.measured() as spent:
            try:
                spec = _specification(context, slug)
                checked = check_file(
                    upload.data,
                    filename=upload.filename,
                    limit_bytes=spec.limits.upload_bytes,
                    dependencies=spec.dependencies,
                )
            finally:
                for _ in range(int(spent.cpu_s / UNIT_S)):
                    context.rates.wait_s(CHECK_UNITS, "static check", account)
    except RequestError as error:
        return _refused(request, context, slug, visitor, error, _decoded(upload.data), said)
    source = _decoded(checked.source)
    return _upload_page(request, context, slug, visitor, said=said, source=source, verdict=accepted(checked))


def _refused(
    request: Request,
    context: Context,
    slug: str,
    visitor: Visitor,
    error: RequestError,
    source: str,
    said: dict[str, str],
) -> Response:
    """Show the form again with the reason, and with the line if the static check found one."""
    verdict = refused(error, source) if isinstance(error, RefusedFile) and source else None
    problem = "" if verdict else refusal_text(error)
    answer = _upload_page(
        request, context, slug, visitor, said=said, source=source, verdict=verdict, problem=problem, status=error.status
    )
    return with_retry_after(answer, error)


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return ""


def _upload_page(
    request: Request,
    context: Context,
    slug: str,
    visitor: Visitor,
    *,
    said: dict[str, str] | None = None,
    source: str = "",
    problem: str = "",
    verdict: Verdict | None = None,
    status: int = 200,
) -> Response:
    with context.database.read() as session:
        competition = competitions.get_competition(session, slug)
        spec = competitions.specification(competition)
        shown = card(competitions.row(session, competition))
        team = find_team(session, competition, visitor.user)
        quota = quotas.view(session, competition, team, visitor.user, spec.quotas)
        pending = terms.pending(session, competition, visitor.user)
    view = upload_page(
        competition,
        spec,
        shown,
        quota,
        said=said or {},
        source=source,
        problem=problem,
        verdict=verdict,
        terms=pending,
        notice=notice(request),
    )
    return render_page(request, "upload/upload.html", view, visitor, status=status, cacheable=False)
