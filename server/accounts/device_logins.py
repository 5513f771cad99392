"""Programs that get a token without seeing a password: a person confirms them in a browser (RFC 8628)."""

import secrets
from datetime import timedelta

from sqlalchemy.orm import Session

from lethe.server.accounts import queries, service
from lethe.server.errors import NotFound, RequestError
from lethe.server.models import ApiToken, DeviceLogin, User
from lethe.server.models.times import utc_now
from lethe.server.security.digests import digest_secret, new_secret
from lethe.server.security.login import require_enabled

DEVICE_PREFIX = "lethed_"
KEPT = timedelta(minutes=10)
INTERVAL_S = 3
_EXPIRED = "This code is unknown, has expired or has been used. Start again."
_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
"""Without vowels and what looks alike, as the RFC proposes: 8 of them have 34 bits."""


class AuthorizationPending(RequestError):
    """Nobody has confirmed yet."""

    code = "authorization_pending"
    title = "Not confirmed yet"


class SlowDown(RequestError):
    """The program asks too often."""

    code = "slow_down"
    title = "Asked too often"


class AccessDenied(RequestError):
    """The person has refused."""

    code = "access_denied"
    title = "Refused"


class DeviceExpired(RequestError):
    """The code is unknown, expired or used."""

    code = "expired_token"
    title = "Code no longer valid"


class CodeUnknown(NotFound):
    """No program waits with this code."""

    code = "code_unknown"
    title = "No such code"


def begin(session: Session, name: str) -> tuple[str, str]:
    """Return the secret of a program that waits from now on, and the code that its person compares."""
    queries.delete_device_logins(session, utc_now())
    text, digest = new_secret(DEVICE_PREFIX)
    letters = "".join(secrets.choice(_LETTERS) for _ in range(8))
    user_code = f"{letters[:4]}-{letters[4:]}"
    session.add(DeviceLogin(digest=digest, user_code=user_code, name=name, expires_at=utc_now() + KEPT))
    session.flush()
    return text, user_code


def waiting(session: Session, typed: str) -> DeviceLogin:
    """Return the program that waits with the code, however it is typed; raises CodeUnknown."""
    letters = "".join(one for one in typed[:40].upper() if one.isascii() and one.isalpha())
    found = queries.lock_device_with_code(session, f"{letters[:4]}-{letters[4:]}", utc_now())
    if found is None:
        raise CodeUnknown("No program waits with this code. Codes work once, for ten minutes: start again there.")
    return found


def answer(session: Session, typed: str, user: User, *, is_confirmed: bool) -> None:
    """Let the program that waits with the code act for `user`, or refuse it; raises CodeUnknown."""
    found = waiting(session, typed)
    found.user_id, found.is_refused = (user.id, False) if is_confirmed else (None, True)


def require_known(session: Session, device_code: str) -> None:
    """Raise DeviceExpired for a code of nobody, which a reader can find out."""
    if not queries.has_device_login(session, digest_secret(device_code)):
        raise DeviceExpired(_EXPIRED)


def redeem(session: Session, device_code: str) -> tuple[User, ApiToken, str] | RequestError:
    """Return whom the program acts for, and its token with the text; or why there is none yet.

    An answer, not an exception, so that the transaction keeps when the program has asked. Raises DeviceExpired,
    AccountDisabled and TooManyTokens.
    """
    found = queries.lock_device_login(session, digest_secret(device_code))
    now = utc_now()
    if found is None or found.expires_at <= now:
        raise DeviceExpired(_EXPIRED)
    if found.is_refused:
        session.delete(found)
        return AccessDenied("The person has refused.")
    if found.user_id is None:
        is_early = found.polled_at is not None and now - found.polled_at < timedelta(seconds=INTERVAL_S - 1)
        found.polled_at = now
        if is_early:
            return SlowDown(f"Ask every {INTERVAL_S} seconds.")
        return AuthorizationPending("Nobody has confirmed this code yet. Ask again.")
    user = require_enabled(session.get_one(User, found.user_id))
    token, text = service.create_token(session, user.id, found.name, days=service.FIRST_TOKEN_DAYS)
    session.delete(found)
    return user, token, text
