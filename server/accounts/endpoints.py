"""REST: users and API tokens."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends

from server.accounts import service
from server.accounts.schemas import NewToken, NewUser, TokenCreated, TokenRow, UserCreated
from server.auth import CurrentUser, password_or_token_user
from server.context import AppContext
from server.models import User

router = APIRouter(tags=["accounts"])


@router.post("/users", status_code=201)
def create_user(new: NewUser, context: AppContext) -> UserCreated:
    """Register. The answer carries an API token that is shown once."""
    with context.database.write() as session:
        user, token = service.register(session, new)
    return UserCreated(username=user.username, token=token)


@router.post("/tokens", status_code=201)
def create_token(
    new: NewToken, user: Annotated[User, Depends(password_or_token_user)], context: AppContext
) -> TokenCreated:
    """Make another API token, with a token or with HTTP Basic (user name and password)."""
    with context.database.write() as session:
        token, text = service.create_token(session, user.id, new.name)
    return TokenCreated(id=token.id, name=token.name, token=text)


@router.get("/tokens")
def list_tokens(user: CurrentUser, context: AppContext) -> list[TokenRow]:
    """My tokens, newest first, without their text."""
    with context.database.read() as session:
        tokens = service.list_tokens(session, user.id)
    return [TokenRow.model_validate(token, from_attributes=True) for token in tokens]


@router.delete("/tokens/{token_id}", status_code=204)
def delete_token(token_id: UUID, user: CurrentUser, context: AppContext) -> None:
    """Delete a token of mine; it stops working at once."""
    with context.database.write() as session:
        service.delete_token(session, user.id, token_id)
