"""Login with a password, and limits on attempts."""

from datetime import datetime, timedelta
from uuid import UUID

from anyio import sleep
from fastapi.concurrency import run_in_threadpool
from limits import RateLimitItem, parse
from sqlalchemy.orm import Session

from lethe.server.context import Context
from lethe.server.errors import Conflict, Forbidden, Unauthenticated
from lethe.server.http.rate_limit import TooManyRequests
from lethe.server.models import KnownAddress, User
from lethe.server.models.times import utc_now
from lethe.server.security import queries
from lethe.server.security.digests import digest_secret
from lethe.server.security.passwords import is_password

# Of an address from which nobody has logged in to the account yet; LETHE_LOGINS_PER_ADDRESS is one more limit.
PER_ACCOUNT_AND_ADDRESS = parse("10 per 15 minutes")
# Nobody can lock somebody else out: above this the account is only slower, and that for addresses that are new to it.
PER_ACCOUNT = parse("100 per hour")
# Of an address from which somebody has: wrong passwords slow it down first.
PER_KNOWN_ADDRESS = parse("100 per hour")
SLOWED_S = 5.0
ASK = "If many people share it, ask the operator of this server, who can raise {setting}."
OLD_ENOUGH = timedelta(days=1)
MAILS_PER_ACCOUNT = parse("5 per hour")
MAILS_PER_ADDRESS = parse("60 per hour")
FRESH = timedelta(minutes=10)
"""For how long a sign-in proves, in the place of a password, who sits there."""
CODES_PER_ACCOUNT = parse("60 per hour")
KNOWN_ADDRESSES = 50
NOTED = timedelta(days=1)


class WrongPassword(Unauthenticated):
    """No account has that name and password; the answer does not say which of the two is wrong."""

    code = "wrong_password"


class AccountDisabled(Forbidden):
    """An operator has disabled the account."""

    code = "account_disabled"
    title = "Account disabled"


async def check_password(context: Context, username: str, password: str, *, address: str) -> User:
    """Return the user with that name and password.

    Raises TooManyRequests before it checks anything, WrongPassword after equal time for unknown names, and
    AccountDisabled. Every attempt counts before it is checked; a successful one resets the account's count for its
    address, and makes the address a known one. A slowed attempt waits without a thread.
    """
    name = username.casefold()
    slowed_s = await run_in_threadpool(_admit, context, name, address)
    if slowed_s:
        await sleep(slowed_s)
    return await run_in_threadpool(_verify, context, name, password, address)


class NoPassword(Conflict):
    """The account has no password that could prove who asks."""

    code = "no_password"
    title = "No password"


async def prove_person(
    context: Context, user: User, password: str, *, address: str, signed_in_at: datetime | None = None
) -> User:
    """Return the user whose password it is; of an account without one, whose browser signed in a few minutes ago.

    Raises as `check_password` does, and NoPassword when the sign-in is older, or the request is not of a browser.
    """
    if user.password_hash:
        return await check_password(context, user.username, password, address=address)
    if signed_in_at is None or signed_in_at < utc_now() - FRESH:
        minutes = int(FRESH.total_seconds() // 60)
        raise NoPassword(
            f"This account has no password. Log out, sign in again, and do this on the account page within {minutes} "
            "minutes."
        )
    return require_enabled(user)


def remember_address(session: Session, user_id: UUID, address: str) -> None:
    """Store that somebody has logged in to the account from this address."""
    digest = _address_digest(user_id, address)
    known = queries.find_known_address(session, digest)
    if known is None:
        queries.forget_known_addresses(session, user_id, kept=KNOWN_ADDRESSES - 1)
        session.add(KnownAddress(digest=digest, user_id=user_id, seen_at=utc_now()))
    else:
        known.seen_at = utc_now()


def _admit(context: Context, name: str, address: str) -> float:
    """Return by how many seconds an attempt is slowed down; raises TooManyRequests if it is refused."""
    with context.database.read() as session:
        user = queries.user_named(session, name)
        is_known = user is not None and _is_known(session, user.id, address)

    def is_over(rule: RateLimitItem, *key: str) -> bool:
        return context.rates.wait_s(rule, "login", *key) is not None

    if is_known:
        _count(context, "Too many wrong passwords for this account.", (PER_KNOWN_ADDRESS, ("known", name, address)))
        return SLOWED_S if is_over(PER_ACCOUNT_AND_ADDRESS, name, address) else 0.0
    _count_address(context, "attempts to log in", "logins_per_address", address)
    _count(context, "Too many attempts to log in to this account.", (PER_ACCOUNT_AND_ADDRESS, (name, address)))
    return SLOWED_S if is_over(PER_ACCOUNT, name) else 0.0


def _verify(context: Context, name: str, password: str, address: str) -> User:
    with context.database.read() as session:
        user = queries.user_named(session, name)
    if not is_password(password, None if user is None else user.password_hash) or user is None:
        raise WrongPassword("Wrong user name or password.")
    for rule, key in ((PER_ACCOUNT_AND_ADDRESS, (name, address)), (PER_KNOWN_ADDRESS, ("known", name, address))):
        context.rates.forget(rule, "login", *key)
    require_enabled(user)
    with context.database.read() as session:
        known = queries.find_known_address(session, _address_digest(user.id, address))
    if known is None or known.seen_at < utc_now() - NOTED:
        with context.database.write() as session:
            remember_address(session, user.id, address)
    return user


def _is_known(session: Session, user_id: UUID, address: str) -> bool:
    return queries.find_known_address(session, _address_digest(user_id, address)) is not None


def _address_digest(user_id: UUID, address: str) -> str:
    return digest_secret(f"{user_id.hex} {address}")


def count_sign_in(context: Context, address: str) -> None:
    """Raise TooManyRequests when an address signs in elsewhere, or asks to log in on another device, very often."""
    _count_address(context, "attempts to log in", "logins_per_address", address)


def count_code(context: Context, user: User) -> None:
    """Raise TooManyRequests when an account tries very many codes of programs."""
    _count(context, "Too many codes were tried.", (CODES_PER_ACCOUNT, ("code", str(user.id))))


def count_registration(context: Context, address: str) -> None:
    """Raise TooManyRequests when an address creates very many accounts."""
    _count_address(context, "accounts created", "registrations_per_address", address)


def is_known_here(session: Session, user: User, address: str) -> bool:
    """Return whether the account is older than a day and has logged in from this address.

    What it does is counted for it alone, so a class behind one address has as much as its members have. A new account
    is not: whoever makes hundreds of them shares one limit.
    """
    return user.created_at < utc_now() - OLD_ENOUGH and _is_known(session, user.id, address)


def count_mail(context: Context, account: str, *, address: str = "") -> None:
    """Raise TooManyRequests when very many mails are asked for, for an account or by an address."""
    rules = [(MAILS_PER_ACCOUNT, ("mail", account.casefold()))]
    if address:
        rules.append((MAILS_PER_ADDRESS, ("mails", address)))
    _count(context, "Too many mails were asked for.", *rules)


def require_enabled(user: User) -> User:
    """Return `user`; raises AccountDisabled."""
    if user.disabled_at is not None:
        raise AccountDisabled("This account is disabled. Ask the operator of this server.")
    return user


def _count_address(context: Context, what: str, setting: str, address: str) -> None:
    """Count an act of an address by the rate of a setting, if that has one; raises TooManyRequests."""
    rate = getattr(context.settings, setting)
    if rate:
        ask = ASK.format(setting=f"LETHE_{setting.upper()}")
        _count(context, f"Too many {what} from this address. {ask}", (parse(rate), (setting, address)))


def _count(context: Context, message: str, *rules: tuple[RateLimitItem, tuple[str, ...]]) -> None:
    for rule, key in rules:
        wait_s = context.rates.wait_s(rule, "login", *key)
        if wait_s is not None:
            raise TooManyRequests(message, wait_s)
