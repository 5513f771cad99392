"""Routes of accounts: log in and out, register, and the account with its tokens, teams and submissions."""

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from pydantic import ValidationError
from sqlalchemy.orm import Session

from lethe.server.accounts import service as accounts
from lethe.server.accounts.registration import create_account
from lethe.server.accounts.schemas import NewToken, NewUser, PasswordChange
from lethe.server.context import AppContext, Context
from lethe.server.errors import RequestError
from lethe.server.http.client_address import client_address
from lethe.server.http.sub_path import public_url
from lethe.server.models import User
from lethe.server.pages.account.view import LoginForm, RegistrationForm, account_page, ways
from lethe.server.pages.forms import (
    local_path,
    notice,
    redirect,
    redirect_to_login,
    refusal_status,
    refusal_text,
    with_retry_after,
)
from lethe.server.pages.rendering import render_page
from lethe.server.security import sessions
from lethe.server.security.login import check_password, prove_person
from lethe.server.security.passwords import hash_password
from lethe.server.security.sessions import FormVisitor, OptionalVisitor, SameOrigin, Visitor

router = APIRouter(include_in_schema=False)

Text = Annotated[str, Form(max_length=1_000)]


@router.get("/login")
def login_form(request: Request, context: AppContext, visitor: OptionalVisitor, next: str = "/account") -> Response:  # noqa: A002
    """Show the login form, or go on if the visitor is logged in."""
    target = local_path(next, "/account")
    if visitor is not None:
        return redirect(target)
    return login_page(request, context, target, notice=notice(request))


@router.post("/login")
async def log_in(
    request: Request,
    context: AppContext,
    _: SameOrigin,
    username: Text = "",
    password: Text = "",
    next: Text = "/account",  # noqa: A002
) -> Response:
    """Begin a session, or say why not."""
    target = local_path(next, "/account")
    try:
        user = await check_password(context, username, password, address=client_address(request.scope))
    except RequestError as error:
        return login_page(request, context, target, error=error, username=username)
    return await run_in_threadpool(begin_session, request, context, user.id, target)


def login_page(
    request: Request,
    context: Context,
    target: str,
    *,
    error: RequestError | None = None,
    username: str = "",
    notice: str = "",
) -> Response:
    """Render the login form, which leads to `target`, with the `error` of the last attempt."""
    form = LoginForm(
        next=target,
        problem="" if error is None else refusal_text(error),
        username=username,
        has_mail=context.settings.mail_server is not None,
        notice=notice,
        ways=ways(context.settings, next_path=target),
    )
    if error is None:
        return render_page(request, "account/login.html", form, cacheable=False)
    return with_retry_after(render_page(request, "account/login.html", form, status=error.status), error)


@router.get("/register")
def registration_form(
    request: Request,
    context: AppContext,
    visitor: OptionalVisitor,
    invite: str = "",
    next: str = "/account",  # noqa: A002
) -> Response:
    """Show the registration form, or go on if the visitor is logged in."""
    target = local_path(next, "/account")
    if visitor is not None:
        return redirect(target)
    form = _registration_form(context, target, invite=invite)
    return render_page(request, "account/register.html", form, cacheable=False)


@router.post("/register")
def register(
    request: Request,
    context: AppContext,
    _: SameOrigin,
    username: Text = "",
    email: Text = "",
    password: Text = "",
    invite: Text = "",
    next: Text = "/account",  # noqa: A002
) -> Response:
    """Create an account, begin a session and go on to `next`, or say why not."""
    target = local_path(next, "/account")
    try:
        new = NewUser(username=username, email=email, password=password, invite=invite or None)
        _user, text = create_account(context, new, address=client_address(request.scope), give_access=start_session)
    except (RequestError, ValidationError) as error:
        problem = refusal_text(error, NewUser)
        form = _registration_form(context, target, problem=problem, username=username, email=email, invite=invite)
        answer = render_page(request, "account/register.html", form, status=refusal_status(error))
        return with_retry_after(answer, error)
    return with_session(request, text, target, "registered")


@router.post("/logout")
def log_out(request: Request, context: AppContext, visitor: FormVisitor) -> Response:
    """End this browser's session."""
    with context.database.write() as session:
        sessions.end(session, visitor.session_id)
    answer = redirect("/")
    sessions.clear_cookie(request, answer)
    return answer


@router.get("/account")
def account(request: Request, context: AppContext, visitor: OptionalVisitor) -> Response:
    """Show my tokens, teams and submissions."""
    return redirect_to_login(request) if visitor is None else show_account(request, context, visitor)


@router.post("/account/tokens")
def create_token(
    request: Request, context: AppContext, visitor: FormVisitor, name: Text = "", days: Text = ""
) -> Response:
    """Create a token and show it, this once."""
    try:
        new = NewToken.model_validate({"name": name, "expires_in_days": days})
        with context.database.write() as session:
            _, text = accounts.create_token(session, visitor.user.id, new.name, days=new.expires_in_days)
    except (RequestError, ValidationError) as error:
        return show_account(
            request, context, visitor, problem=refusal_text(error, NewToken), status=refusal_status(error)
        )
    return show_account(request, context, visitor, fresh_token=text)


@router.post("/account/tokens/{token_id}/delete")
def delete_token(token_id: UUID, context: AppContext, visitor: FormVisitor) -> Response:
    """Delete a token of mine."""
    with context.database.write() as session:
        accounts.delete_token(session, visitor.user.id, token_id)
    return redirect("/account", "token-deleted")


@router.post("/account/password")
async def change_password(
    request: Request, context: AppContext, visitor: FormVisitor, password: Text = "", new_password: Text = ""
) -> Response:
    """Change my password, which ends all tokens and sessions; this browser gets a new session."""
    try:
        change = PasswordChange(password=password, new_password=new_password)
        address = client_address(request.scope)
        await prove_person(context, visitor.user, change.password, address=address, signed_in_at=visitor.began_at)
    except (RequestError, ValidationError) as error:
        problem = refusal_text(error, PasswordChange)
        show = partial(show_account, request, context, visitor, problem=problem, status=refusal_status(error))
        return with_retry_after(await run_in_threadpool(show), error)
    return await run_in_threadpool(_set_password, request, context, visitor.user.id, change.new_password)


def _set_password(request: Request, context: Context, user_id: UUID, password: str) -> Response:
    password_hash = hash_password(password)
    with context.database.write() as session:
        accounts.set_password(session, user_id, password_hash)
    return begin_session(request, context, user_id, "/account", "password")


def begin_session(request: Request, context: Context, user_id: UUID, target: str, done: str = "") -> Response:
    """Begin a session of this browser, and lead it to `target`, where the notice of `done` is shown."""
    with context.database.write() as session:
        text = sessions.begin(session, user_id)
    return with_session(request, text, target, done)


def with_session(request: Request, text: str, target: str, done: str = "") -> Response:
    """Lead the browser, which has the session of `text` from now on, to `target`; `done` names its notice."""
    answer = redirect(target, done)
    sessions.set_cookie(request, answer, text)
    return answer


def start_session(session: Session, user: User) -> str:
    """Begin a session of a new account, and return its cookie's text."""
    return sessions.begin(session, user.id)


def by_invite(context: Context) -> bool:
    """Whether people need an invitation to register."""
    return context.settings.registration == "invite-only"


def _registration_form(
    context: Context, target: str, *, problem: str = "", username: str = "", email: str = "", invite: str = ""
) -> RegistrationForm:
    offered = ways(context.settings, next_path=target, invite=invite)
    return RegistrationForm(problem, username, email, invite, next=target, by_invite=by_invite(context), ways=offered)


def show_account(
    request: Request,
    context: Context,
    visitor: Visitor,
    *,
    problem: str = "",
    fresh_token: str = "",
    status: int = 200,
) -> Response:
    """Render the account of `visitor`."""
    with context.database.read() as session:
        view = account_page(
            session,
            visitor,
            context.settings,
            base_url=public_url(request),
            notice=notice(request),
            problem=problem,
            fresh_token=fresh_token,
        )
    return render_page(request, "account/account.html", view, visitor, status=status, cacheable=False)
