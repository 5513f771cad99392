"""REST: users and API tokens."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends

from server.accounts import service
from server.accounts.passwords import hash_password, is_password
from server.accounts.schemas import Me, NewToken, NewUser, PasswordChange, TokenCreated, TokenRow, UserCreated
from server.auth import CurrentUser, WrongPassword, password_or_token_user
from server.context import AppContext
from server.models import User
from server.paging import Page, PageCursor, PageLimit

router = APIRouter(tags=["accounts"])


@router.post("/users", status_code=201)
def create_user(new: NewUser, context: AppContext) -> UserCreated:
    """Register. The answer carries an API token that is shown once."""
    password_hash = hash_password(new.password)
    with context.database.write() as session:
        user, token = service.register(
            session, new, password_hash=password_hash, registration=context.settings.registration
        )
    return UserCreated(username=user.username, token=token)


@router.get("/users/me")
def get_me(user: CurrentUser) -> Me:
    """Whose credentials these are."""
    return Me.model_validate(user, from_attributes=True)


@router.post("/users/me/password", status_code=204)
def change_password(change: PasswordChange, user: CurrentUser, context: AppContext) -> None:
    """Change my password. Every token and session of mine ends with it."""
    if not is_password(change.password, user.password_hash):
        raise WrongPassword("The present password is wrong.")
    password_hash = hash_password(change.new_password)
    with context.database.write() as session:
        service.set_password(session, user.id, password_hash)


@router.post("/tokens", status_code=201)
def create_token(
    new: NewToken, user: Annotated[User, Depends(password_or_token_user)], context: AppContext
) -> TokenCreated:
    """Make another API token, with a token or with HTTP Basic (user name and password)."""
    with context.database.write() as session:
        token, text = service.create_token(session, user.id, new.name, days=new.expires_in_days)
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
