"""Login with a password, and limits on attempts."""

from limits import RateLimitItem, parse

from lethe.server.context import Context
from lethe.server.errors import Forbidden, Unauthenticated
from lethe.server.http.rate_limit import TooManyRequests
from lethe.server.models import User
from lethe.server.security import queries
from lethe.server.security.passwords import is_password

# The limit for all addresses is higher than for one, so that nobody can lock somebody else out.
PER_ACCOUNT_AND_ADDRESS = parse("10 per 15 minutes")
PER_ACCOUNT = parse("100 per hour")
PER_ADDRESS = parse("300 per 15 minutes")
REGISTRATIONS = parse("300 per hour")


class WrongPassword(Unauthenticated):
    """No account has that name and password; the answer does not say which of the two is wrong."""

    code = "wrong_password"


class AccountDisabled(Forbidden):
    """An operator has disabled the account."""

    code = "account_disabled"
    title = "Account disabled"


def verify_password(context: Context, username: str, password: str, *, address: str) -> User:
    """Return the user with that name and password.

    Raises TooManyRequests before it checks anything, WrongPassword after equal time for unknown names, and
    AccountDisabled. Every attempt counts before it is checked; a successful one resets the account's count for its
    address.
    """
    name = username.casefold()
    rules = (PER_ADDRESS, (address,)), (PER_ACCOUNT_AND_ADDRESS, (name, address)), (PER_ACCOUNT, (name,))
    _count(context, "Too many attempts to log in to this account, or from this address.", *rules)
    with context.database.read() as session:
        user = queries.user_named(session, name)
    if not is_password(password, None if user is None else user.password_hash) or user is None:
        raise WrongPassword("Wrong user name or password.")
    context.rates.forget(PER_ACCOUNT_AND_ADDRESS, "login", name, address)
    return require_enabled(user)


def count_registration(context: Context, address: str) -> None:
    """Raise TooManyRequests when an address creates very many accounts."""
    _count(context, "Too many accounts were created from this address.", (REGISTRATIONS, ("new", address)))


def require_enabled(user: User) -> User:
    """Return `user`; raises AccountDisabled."""
    if user.disabled_at is not None:
        raise AccountDisabled("This account is disabled. Ask the operator of this server.")
    return user


def _count(context: Context, message: str, *rules: tuple[RateLimitItem, tuple[str, ...]]) -> None:
    for rule, key in rules:
        wait_s = context.rates.wait_s(rule, "login", *key)
        if wait_s is not None:
            raise TooManyRequests(message, wait_s)
