"""Registering: the steps that the API, the page and a sign-in elsewhere have in common."""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.orm import Session

from lethe.server.accounts import addresses, service
from lethe.server.accounts.schemas import NewPerson, NewUser
from lethe.server.context import Context
from lethe.server.models import User
from lethe.server.security.login import count_registration, remember_address
from lethe.server.security.passwords import hash_password

Access = TypeVar("Access")


def create_account(
    context: Context,
    new: NewPerson,
    *,
    address: str,
    give_access: Callable[[Session, User], Access],
    confirmed_email: str = "",
) -> tuple[User, Access]:
    """Return a new account and what `give_access` made for it in the same transaction: a token or a session.

    `address` is where the request comes from. A link is mailed that confirms the e-mail address, unless it is
    `confirmed_email`. Raises TooManyRequests, AccountTaken, RegistrationClosed and InviteNeeded.
    """
    count_registration(context, address)
    password_hash = hash_password(new.password) if isinstance(new, NewUser) else ""
    with context.database.write() as session:
        user = service.register(session, new, password_hash=password_hash, registration=context.settings.registration)
        remember_address(session, user.id, address)
        if confirmed_email and user.email_key == confirmed_email.casefold():
            addresses.mark_confirmed(session, user.id)
        elif context.settings.mail_server is not None:
            addresses.request_confirmation(session, user.id, user.email)
        access = give_access(session, user)
    return user, access
