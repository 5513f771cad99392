"""Rules of accounts: unique names and addresses, tokens made, listed and deleted."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from server.accounts.schemas import NewUser
from server.auth import TOKEN_PREFIX, hash_password, new_secret
from server.errors import Conflict, NotFound
from server.models import ApiToken, User


class AccountTaken(Conflict):
    """The user name or the e-mail address is in use."""

    code = "account_taken"
    title = "Account taken"


def register(session: Session, new: NewUser) -> tuple[User, str]:
    """The new user and the text of a first token; raises AccountTaken."""
    user = User(
        username=new.username,
        username_key=new.username.casefold(),
        email=new.email,
        email_key=new.email.casefold(),
        password_hash=hash_password(new.password),
    )
    session.add(user)
    try:
        session.flush()
    except IntegrityError as error:
        raise AccountTaken(
            "This user name or e-mail address is taken. Choose another name, or get a token for your account with "
            "POST /api/v1/tokens and HTTP Basic credentials."
        ) from error
    _, text = create_token(session, user.id, "first token")
    return user, text


def create_token(session: Session, user_id: UUID, name: str) -> tuple[ApiToken, str]:
    """The stored token and its text, which is not stored."""
    text, digest = new_secret(TOKEN_PREFIX)
    token = ApiToken(user_id=user_id, name=name, digest=digest)
    session.add(token)
    session.flush()
    return token, text


def list_tokens(session: Session, user_id: UUID) -> list[ApiToken]:
    """The user's tokens, newest first."""
    return list(
        session.scalars(select(ApiToken).where(ApiToken.user_id == user_id).order_by(ApiToken.created_at.desc()))
    )


def delete_token(session: Session, user_id: UUID, token_id: UUID) -> None:
    """Make a token useless at once; raises NotFound for one that is not the user's."""
    token = session.get(ApiToken, token_id)
    if token is None or token.user_id != user_id:
        raise NotFound("You have no token with this id. GET /api/v1/tokens lists yours.")
    session.delete(token)
