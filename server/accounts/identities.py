"""Accounts elsewhere that are linked to accounts here."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from lethe.server.accounts import queries
from lethe.server.errors import Conflict, NotFound
from lethe.server.models import SignInIdentity, User

MAX_LINKED = 10


class IdentityTaken(Conflict):
    """The account elsewhere is linked to an account here already."""

    code = "identity_taken"
    title = "Linked already"


class LastWayIn(Conflict):
    """Without it nobody could log in to the account."""

    code = "last_way_in"
    title = "The last way in"


class IdentityNotFound(NotFound):
    """Not one of the account's."""

    code = "identity_not_found"
    title = "No such link"


@dataclass(frozen=True)
class ProvenIdentity:
    """An account elsewhere that whoever sits in front of the browser has just signed in to.

    `email` is empty unless the provider says that it is verified. `label` is for people, never compared.
    """

    issuer: str
    subject: str
    email: str
    label: str


def owner_of(session: Session, identity: ProvenIdentity) -> User | None:
    """Return whose it is here, disabled accounts included, or None."""
    found = queries.identity_at(session, identity.issuer, identity.subject)
    return None if found is None else session.get_one(User, found.user_id)


def list_own(session: Session, user_id: UUID) -> list[SignInIdentity]:
    """Return the accounts elsewhere that are linked to an account, the oldest first."""
    return queries.identities_of(session, user_id)


def link(session: Session, user_id: UUID, identity: ProvenIdentity) -> None:
    """Link the account elsewhere; raises IdentityTaken."""
    queries.lock_user(session, user_id)
    if len(queries.identities_of(session, user_id)) >= MAX_LINKED:
        raise IdentityTaken(f"This account has {MAX_LINKED} linked accounts. Unlink one first.")
    session.add(SignInIdentity(user_id=user_id, issuer=identity.issuer, subject=identity.subject, label=identity.label))
    try:
        session.flush()
    except IntegrityError as error:
        raise IdentityTaken("This sign-in is linked to an account already. Sign in with it.") from error


def unlink(session: Session, user_id: UUID, identity_id: UUID) -> None:
    """Unlink an account elsewhere; raises IdentityNotFound, and LastWayIn for the last one without a password."""
    user = session.get_one(User, user_id, with_for_update=True)
    linked = queries.identities_of(session, user_id)
    found = next((one for one in linked if one.id == identity_id), None)
    if found is None:
        raise IdentityNotFound("This account is not linked with that.")
    if len(linked) == 1 and not user.password_hash:
        raise LastWayIn("This is the only way to log in to your account. Set a password first.")
    session.delete(found)
