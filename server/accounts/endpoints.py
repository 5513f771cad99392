"""REST: users and API tokens."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from sqlalchemy.orm import Session

from lethe.server.accounts import addresses, service
from lethe.server.accounts.registration import create_account
from lethe.server.accounts.schemas import (
    Confirmation,
    Login,
    Me,
    MeChange,
    NewToken,
    NewUser,
    PasswordChange,
    PasswordReset,
    ResetRequest,
    SessionView,
    TokenCreated,
    TokenRow,
    UserCreated,
)
from lethe.server.context import AppContext, Context
from lethe.server.http.client_address import client_address
from lethe.server.http.paging import Page, PageCursor, PageLimit
from lethe.server.models import User
from lethe.server.security import sessions
from lethe.server.security.credentials import CurrentUser, TokenExpiry, password_or_token_user
from lethe.server.security.login import check_password, prove_person
from lethe.server.security.passwords import hash_password
from lethe.server.security.sessions import RequiredVisitor, require_same_origin

router = APIRouter(tags=["accounts"])
LINK: dict[int | str, dict[str, Any]] = {404: {"description": "The link has been used, has expired, or is incomplete"}}


@router.post("/users", status_code=201)
def create_user(new: NewUser, request: Request, context: AppContext) -> UserCreated:
    """Register. The answer has an API token, which is shown once."""
    address = client_address(request.scope)
    user, token = create_account(context, new, address=address, give_access=_first_token)
    return UserCreated(username=user.username, token=token)


@router.get("/users/me")
def get_me(user: CurrentUser, context: AppContext) -> Me:
    """The account of the credentials."""
    with context.database.read() as session:
        return _me(session, user)


@router.patch("/users/me")
async def change_me(change: MeChange, request: Request, user: CurrentUser, context: AppContext) -> Me:
    """Change my user name, my e-mail address, or what I am told by mail.

    On a site with mail, another address becomes mine when the link that is mailed to it is opened.
    """
    if change.username is not None or change.email is not None:
        await prove_person(context, user, change.password, address=client_address(request.scope))
    return await run_in_threadpool(_change, context, user.id, change)


@router.post("/users/me/confirmation", status_code=202)
def ask_for_confirmation(user: CurrentUser, context: AppContext) -> None:
    """Have the link that confirms my address mailed again."""
    addresses.request_confirmation_again(context, user)


@router.post("/confirmations", status_code=204, responses=LINK)
def confirm(new: Confirmation, context: AppContext) -> None:
    """Confirm the address to which a link was mailed."""
    with context.database.write() as session:
        addresses.confirm_address(session, new.token)


@router.post("/password-resets", status_code=202)
def ask_for_reset(new: ResetRequest, request: Request, context: AppContext) -> None:
    """Have a link for a new password mailed. The answer is the same whether there is such an account or not."""
    addresses.request_reset(context, new.account, address=client_address(request.scope))


@router.post("/password-resets/redeem", status_code=204, responses=LINK)
def reset_password(new: PasswordReset, context: AppContext) -> None:
    """Set the password of the account for which a link was mailed; it works once, for half an hour."""
    addresses.reset_password(context, new)


@router.post("/users/me/password", status_code=204)
async def change_password(change: PasswordChange, request: Request, user: CurrentUser, context: AppContext) -> None:
    """Change my password. This ends all of my tokens and sessions."""
    await prove_person(context, user, change.password, address=client_address(request.scope))
    await run_in_threadpool(_set_password, context, user.id, change.new_password)


@router.post("/session", dependencies=[Depends(require_same_origin)])
async def log_in(login: Login, request: Request, response: Response, context: AppContext) -> SessionView:
    """Start a browser's session. Changes with its cookie need `csrf_token` in the header X-CSRF-Token."""
    user = await check_password(context, login.username, login.password, address=client_address(request.scope))
    text = await run_in_threadpool(_begin_session, context, user.id)
    sessions.set_cookie(request, response, text)
    return SessionView(username=user.username, csrf_token=sessions.csrf_token(text))


@router.get("/session")
def get_session(visitor: RequiredVisitor) -> SessionView:
    """The account that this browser is logged in to."""
    return SessionView(username=visitor.user.username, csrf_token=visitor.csrf_token)


@router.delete("/session", status_code=204)
def log_out(visitor: RequiredVisitor, request: Request, response: Response, context: AppContext) -> None:
    """End this browser's session."""
    sessions.require_proof(request, visitor, request.headers.get(sessions.CSRF_HEADER, ""))
    with context.database.write() as session:
        sessions.end(session, visitor.session_id)
    sessions.clear_cookie(request, response)


@router.post("/tokens", status_code=201)
def create_token(
    new: NewToken,
    user: Annotated[User, Depends(password_or_token_user)],
    not_after: TokenExpiry,
    context: AppContext,
) -> TokenCreated:
    """Create another API token, with HTTP Basic (user name and password) or with a token, which it does not outlive."""
    with context.database.write() as session:
        token, text = service.create_token(session, user.id, new.name, days=new.expires_in_days, not_after=not_after)
    return TokenCreated(id=token.id, name=token.name, token=text, expires_at=token.expires_at)


@router.get("/tokens")
def list_tokens(
    user: CurrentUser, context: AppContext, cursor: PageCursor = None, limit: PageLimit = 20
) -> Page[TokenRow]:
    """My tokens, newest first, without their text."""
    with context.database.read() as session:
        tokens, following = service.list_tokens(session, user.id, cursor=cursor, limit=limit)
    return Page(items=[TokenRow.model_validate(token, from_attributes=True) for token in tokens], next_cursor=following)


@router.delete("/tokens/{token_id}", status_code=204)
def delete_token(token_id: UUID, user: CurrentUser, context: AppContext) -> None:
    """Delete a token of mine; it stops working at once."""
    with context.database.write() as session:
        service.delete_token(session, user.id, token_id)


def _first_token(session: Session, user: User) -> str:
    _, text = service.create_token(session, user.id, "first token", days=service.FIRST_TOKEN_DAYS)
    return text


def _me(session: Session, user: User) -> Me:
    found = addresses.preference_of(session, user.id)
    me = Me.model_validate(user, from_attributes=True)
    if found is None:
        return me
    told = {"notices": found.notices, "daily_digest": found.is_daily, "email_confirmed": found.confirmed_at is not None}
    return me.model_copy(update=told)


def _change(context: Context, user_id: UUID, change: MeChange) -> Me:
    addresses.change_account(context, user_id, change)
    with context.database.read() as session:
        return _me(session, session.get_one(User, user_id))


def _begin_session(context: Context, user_id: UUID) -> str:
    with context.database.write() as session:
        return sessions.begin(session, user_id)


def _set_password(context: Context, user_id: UUID, password: str) -> None:
    password_hash = hash_password(password)
    with context.database.write() as session:
        service.set_password(session, user_id, password_hash)
