"""Names and addresses of accounts that change, addresses that are confirmed, passwords that are reset by mail."""

import secrets
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from lethe.server.accounts import queries, service
from lethe.server.accounts.names import skeleton
from lethe.server.accounts.schemas import MeChange, Notice, PasswordReset
from lethe.server.accounts.service import AccountTaken
from lethe.server.audit_log.events import rename_person
from lethe.server.context import Context
from lethe.server.errors import Conflict, NotFound
from lethe.server.mail import outbox
from lethe.server.mail import queries as mail_queries
from lethe.server.mail.outbox import Kind
from lethe.server.models import MailPreference, User
from lethe.server.models.times import utc_now
from lethe.server.security.digests import digest_secret
from lethe.server.security.login import count_mail
from lethe.server.security.passwords import hash_password

MAX_TYPED = 254  # characters of the longest address


class NoMail(Conflict):
    """The site sends no mail."""

    code = "no_mail"
    title = "No mail"


class LinkInvalid(NotFound):
    """The link of a mail is unknown, expired or used."""

    code = "link_invalid"
    title = "Link no longer valid"


class AddressUnconfirmed(Conflict):
    """Notices go to confirmed addresses only."""

    code = "address_unconfirmed"
    title = "Address not confirmed"


def require_mail(context: Context) -> None:
    """Raise NoMail on a site without a mail server."""
    if context.settings.mail_server is None:
        raise NoMail(
            "This server sends no mail. Its operator sets new passwords: lethe admin user reset-password NAME."
        )


def request_reset(context: Context, typed: str, *, address: str) -> None:
    """Have a link for a new password mailed to the account with this name or address, if there is one.

    `control` looks the account up, so the time that this takes does not say whether there is one. `address` is where
    the request comes from. Raises NoMail, and TooManyRequests when very many mails are asked for.
    """
    require_mail(context)
    count_mail(context, typed, address=address)
    with context.database.write() as session:
        outbox.send(session, Kind.RESET, None, typed=typed[:MAX_TYPED])


def reset_password(context: Context, new: PasswordReset) -> None:
    """Store the password of the account that the link was mailed for, whose address is confirmed by that.

    Raises LinkInvalid, before the password is hashed where that can be seen.
    """
    with context.database.read() as session:
        require_valid_link(session, new.token, "reset")
    password_hash = hash_password(new.new_password)
    with context.database.write() as session:
        user, address = _redeem(session, new.token, "reset")
        user.password_hash = password_hash
        if new.end_access:
            service.revoke_access(session, user.id)
            queries.delete_identities(session, user.id)
        if address == user.email:
            mark_confirmed(session, user.id)


def require_valid_link(session: Session, token: str, purpose: str) -> None:
    """Raise LinkInvalid unless the link can still be used."""
    if mail_queries.find_secret(session, digest_secret(token), purpose, utc_now()) is None:
        raise _invalid()


def request_confirmation_again(context: Context, user: User) -> None:
    """Have the link that confirms the account's address mailed again.

    Raises NoMail, and TooManyRequests when very many mails are asked for.
    """
    require_mail(context)
    count_mail(context, str(user.id))
    with context.database.write() as session:
        request_confirmation(session, user.id, user.email)


def request_confirmation(session: Session, user_id: UUID, address: str) -> None:
    """Have a link mailed to `address`, which makes it the account's confirmed address."""
    outbox.send(session, Kind.CONFIRM, user_id, address=address)


def confirm_address(session: Session, token: str) -> User:
    """Make the address to which the link was mailed the account's, confirmed; raises LinkInvalid and AccountTaken."""
    user, address = _redeem(session, token, "confirm")
    set_address(session, user, address)
    mark_confirmed(session, user.id)
    return user


def mark_confirmed(session: Session, user_id: UUID) -> None:
    """Store that the account's address is its owner's."""
    _preference(session, user_id).confirmed_at = utc_now()


def set_address(session: Session, user: User, address: str) -> None:
    """Store an address that nobody has confirmed yet, and end the link for a new password that went to the former one.

    Whoever had confirmed the former one is told by mail that it counts no more. Raises AccountTaken.
    """
    mail_queries.delete_secrets(session, user.id, "reset")
    found = session.get(MailPreference, user.id)
    if found is not None:
        if found.confirmed_at is not None and address.casefold() != user.email_key:
            outbox.send(session, Kind.MOVED, user.id, address=user.email)
        found.confirmed_at = None
    user.email, user.email_key = address, address.casefold()
    _flush(session, "This e-mail address belongs to another account.")


def set_name(session: Session, user: User, username: str) -> None:
    """Give the account another user name, in the audit log, too: the former one may soon be somebody else's.

    Raises AccountTaken.
    """
    former = user.username
    user.username, user.username_key, user.username_skeleton = username, username.casefold(), skeleton(username)
    _flush(session, "This user name, or one that looks like it, is taken. Choose another one.")
    rename_person(session, former, username)


def change_account(context: Context, user_id: UUID, change: MeChange) -> None:
    """Change what is given of an account, whose password the caller has checked.

    Raises as the single changes do, and TooManyRequests when very many mails are asked for.
    """
    sends_mail = context.settings.mail_server is not None
    if change.email is not None and sends_mail:
        count_mail(context, str(user_id))
    with context.database.write() as session:
        _change(session, session.get_one(User, user_id, with_for_update=True), change, sends_mail=sends_mail)


def _change(session: Session, user: User, change: MeChange, *, sends_mail: bool) -> None:
    if change.username is not None:
        set_name(session, user, change.username)
    if change.email is not None and sends_mail:
        request_confirmation(session, user.id, change.email)
    elif change.email is not None:
        set_address(session, user, change.email)
    if change.notices is not None or change.daily_digest is not None:
        found = preference_of(session, user.id)
        notices = (found.notices if found else []) if change.notices is None else change.notices
        is_daily = (found is None or found.is_daily) if change.daily_digest is None else change.daily_digest
        choose_notices(session, user.id, notices, is_daily=is_daily)


def choose_notices(session: Session, user_id: UUID, notices: Sequence[Notice], *, is_daily: bool) -> None:
    """Store what the account wants to be told by mail; raises AddressUnconfirmed."""
    found = session.get(MailPreference, user_id, with_for_update=True)
    if found is None or found.confirmed_at is None:
        raise AddressUnconfirmed("Confirm your e-mail address first: notices go to confirmed addresses only.")
    found.notices, found.is_daily = list(dict.fromkeys(notices)), is_daily


def unsubscribe(session: Session, key: str, kind: str) -> None:
    """End mails of a kind for whoever has the key of a mail; an unknown key or kind changes nothing."""
    found = mail_queries.lock_preference(session, key)
    if found is not None:
        found.notices = [one for one in found.notices if one != kind]


def preference_of(session: Session, user_id: UUID) -> MailPreference | None:
    """Return what the account wants to be told; None if it never confirmed an address."""
    return session.get(MailPreference, user_id)


def _redeem(session: Session, token: str, purpose: str) -> tuple[User, str]:
    """Return the account and the address of a link, which works once; raises LinkInvalid."""
    digest = digest_secret(token)
    found = mail_queries.find_secret(session, digest, purpose, utc_now())
    user = None if found is None else session.get(User, found.user_id, with_for_update=True)
    # Again, now that the account is locked: another request may have used the link or ended it.
    secret = mail_queries.find_secret(session, digest, purpose, utc_now())
    if secret is None or user is None or user.disabled_at is not None:
        raise _invalid()
    address = secret.address
    mail_queries.delete_secrets(session, user.id, purpose)
    return user, address


def _preference(session: Session, user_id: UUID) -> MailPreference:
    found = session.get(MailPreference, user_id)
    if found is None:
        found = MailPreference(user_id=user_id, key=secrets.token_urlsafe(32), notices=[], is_daily=True)
        session.add(found)
    return found


def _flush(session: Session, refusal: str) -> None:
    try:
        session.flush()
    except IntegrityError as error:
        raise AccountTaken(refusal) from error


def _invalid() -> LinkInvalid:
    return LinkInvalid("This link has been used, has expired, or is incomplete. Ask for another one.")
