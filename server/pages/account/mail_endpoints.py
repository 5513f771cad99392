"""Routes of an account's name, address and notices, and of the links in mails."""

from functools import partial
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Form, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response
from pydantic import ValidationError

from lethe.server.accounts import addresses
from lethe.server.accounts.schemas import MeChange, PasswordReset
from lethe.server.context import AppContext, Context
from lethe.server.errors import RequestError
from lethe.server.hosting.personal_data import delete_own_account, personal_data
from lethe.server.http.client_address import client_address
from lethe.server.mail.outbox import NOTICES, Kind
from lethe.server.pages.account.endpoints import show_account
from lethe.server.pages.account.view import LinkPage, ResetForm
from lethe.server.pages.forms import (
    notice,
    redirect,
    redirect_to_login,
    refusal_status,
    refusal_text,
    with_retry_after,
)
from lethe.server.pages.rendering import SECURITY_HEADERS, render_page
from lethe.server.security.login import prove_person
from lethe.server.security.sessions import FormVisitor, OptionalVisitor, SameOrigin, Visitor, clear_cookie

router = APIRouter(include_in_schema=False)

Text = Annotated[str, Form(max_length=1_000)]


@router.post("/account/identity")
async def change_identity(
    request: Request,
    context: AppContext,
    visitor: FormVisitor,
    new_username: Text = "",
    email: Text = "",
    password: Text = "",
) -> Response:
    """Change my user name or my address."""
    try:
        await _prove(request, context, visitor, password)
        change = MeChange(
            username=new_username if new_username != visitor.user.username else None,
            email=email if email != visitor.user.email else None,
        )
        await run_in_threadpool(addresses.change_account, context, visitor.user.id, change)
    except (RequestError, ValidationError) as error:
        return await run_in_threadpool(_refused, request, context, visitor, error)
    is_mailed = change.email is not None and context.settings.mail_server is not None
    return redirect("/account", "mailed" if is_mailed else "saved")


@router.post("/account/notices")
def choose_notices(
    request: Request,
    context: AppContext,
    visitor: FormVisitor,
    notices: Annotated[list[str] | None, Form(max_length=20)] = None,
    daily: Text = "",
) -> Response:
    """Choose what I am told by mail."""
    try:
        change = MeChange.model_validate({"notices": notices or [], "daily_digest": bool(daily)})
        addresses.change_account(context, visitor.user.id, change)
    except (RequestError, ValidationError) as error:
        return _refused(request, context, visitor, error)
    return redirect("/account", "saved")


@router.post("/account/confirmation")
def ask_for_confirmation(request: Request, context: AppContext, visitor: FormVisitor) -> Response:
    """Have the link that confirms my address mailed again."""
    try:
        addresses.request_confirmation_again(context, visitor.user)
    except RequestError as error:
        return _refused(request, context, visitor, error)
    return redirect("/account", "mailed")


@router.get("/account/data.json")
def download_data(request: Request, context: AppContext, visitor: OptionalVisitor) -> Response:
    """Download what is stored about me."""
    if visitor is None:
        return redirect_to_login(request)
    with context.database.read() as session:
        document = personal_data(session, visitor.user)
    name = f"attachment; filename=lethe-{visitor.user.username}.json"
    return JSONResponse(
        document, headers={**SECURITY_HEADERS, "Content-Disposition": name, "Cache-Control": "no-store"}
    )


@router.post("/account/delete")
async def delete(
    request: Request, context: AppContext, visitor: FormVisitor, password: Text = "", sure: Text = ""
) -> Response:
    """Delete my account."""
    try:
        await _prove(request, context, visitor, password)
        if sure != "yes":
            return redirect("/account")
        await run_in_threadpool(delete_own_account, context, visitor.user)
    except RequestError as error:
        return await run_in_threadpool(_refused, request, context, visitor, error)
    answer = redirect("/login", "account-deleted")
    clear_cookie(request, answer)
    return answer


@router.get("/reset")
def reset_form(request: Request, context: AppContext) -> Response:
    """Show the form that asks for a new password."""
    addresses.require_mail(context)
    return render_page(request, "account/reset.html", ResetForm(notice=notice(request)), cacheable=False)


@router.post("/reset")
def ask_for_reset(request: Request, context: AppContext, _: SameOrigin, account: Text = "") -> Response:
    """Have a link for a new password mailed; the answer says nothing about accounts."""
    try:
        addresses.request_reset(context, account, address=client_address(request.scope))
    except RequestError as error:
        form = ResetForm(problem=refusal_text(error))
        return with_retry_after(render_page(request, "account/reset.html", form, status=error.status), error)
    return redirect("/reset", "reset-mailed")


@router.get("/reset/{token}")
def new_password_form(token: str, request: Request, context: AppContext) -> Response:
    """Show the form for a new password, if the link still works."""
    try:
        with context.database.read() as session:
            addresses.require_valid_link(session, token, "reset")
    except RequestError as error:
        return render_page(request, "account/reset.html", ResetForm(problem=str(error)), status=error.status)
    return render_page(request, "account/reset.html", ResetForm(token=token), cacheable=False)


@router.post("/reset/{token}")
def set_new_password(
    token: str, request: Request, context: AppContext, _: SameOrigin, new_password: Text = "", end_access: Text = ""
) -> Response:
    """Set a new password with the link of a mail."""
    try:
        new = PasswordReset(token=token, new_password=new_password, end_access=bool(end_access))
        addresses.reset_password(context, new)
    except (RequestError, ValidationError) as error:
        kept = token if isinstance(error, ValidationError) else ""
        form = ResetForm(problem=refusal_text(error, PasswordReset), token=kept)
        return render_page(request, "account/reset.html", form, status=refusal_status(error))
    return redirect("/login", "reset")


@router.get("/confirm/{token}")
def confirmation_form(token: str, request: Request) -> Response:
    """Show what the link of a mail does."""
    return render_page(request, "account/link.html", _confirmation(token), cacheable=False)


@router.post("/confirm/{token}")
def confirm(token: str, request: Request, context: AppContext, _: SameOrigin) -> Response:
    """Confirm an address."""
    try:
        with context.database.write() as session:
            addresses.confirm_address(session, token)
    except RequestError as error:
        page = _confirmation(token, problem=str(error))
        return render_page(request, "account/link.html", page, status=error.status)
    return redirect("/account", "confirmed")


@router.get("/unsubscribe/{key}/{kind}")
def unsubscribe_form(key: str, kind: str, request: Request) -> Response:
    """Show what the link of a mail does."""
    return render_page(request, "account/link.html", _unsubscribing(key, kind), cacheable=False)


@router.post("/unsubscribe/{key}/{kind}")
def unsubscribe(key: str, kind: str, request: Request, context: AppContext) -> Response:
    """End mails of one kind. Mail programs post here: it asks for no login and never redirects (RFC 8058)."""
    with context.database.write() as session:
        addresses.unsubscribe(session, key, kind)
    page = _unsubscribing(key, kind, notice="You get no more of these mails.")
    return render_page(request, "account/link.html", page, cacheable=False)


async def _prove(request: Request, context: Context, visitor: Visitor, password: str) -> None:
    address = client_address(request.scope)
    await prove_person(context, visitor.user, password, address=address, signed_in_at=visitor.began_at)


def _confirmation(token: str, problem: str = "") -> LinkPage:
    action = f"/confirm/{quote(token)}"
    return LinkPage("Confirm your address", "This confirms that the address is yours.", action, "Confirm", problem)


def _unsubscribing(key: str, kind: str, notice: str = "") -> LinkPage:
    what = f": {NOTICES[Kind(kind)]}" if kind in NOTICES else ""
    action = f"/unsubscribe/{quote(key)}/{quote(kind)}"
    return LinkPage(
        "No more of these mails", f"You will no longer get mails of this kind{what}.", action, "Unsubscribe", "", notice
    )


def _refused(request: Request, context: Context, visitor: Visitor, error: RequestError | ValidationError) -> Response:
    problem = refusal_text(error, MeChange)
    show = partial(show_account, request, context, visitor, problem=problem, status=refusal_status(error))
    return with_retry_after(show(), error)
