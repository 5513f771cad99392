"""Passwords: argon2id hashes, a few at a time, and the same work for accounts that do not exist."""

import secrets
import threading
import unicodedata
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

# One hash takes 64 MiB and a core; a flood of logins must not take all of them.
_AT_ONCE = threading.BoundedSemaphore(4)
_HASHER = PasswordHasher()


@cache
def unknown_users_hash() -> str:
    """Return a hash that no password has. A server computes it at start: the first login would be measurably slower."""
    return _HASHER.hash(secrets.token_hex(16))


def hash_password(password: str) -> str:
    """Return the argon2id hash of `password` in NFC: keyboards write an ö in two ways."""
    with _AT_ONCE:
        return _HASHER.hash(unicodedata.normalize("NFC", password))


def is_password(password: str, password_hash: str | None) -> bool:
    """Whether `password` has that hash, in NFC or, for older hashes, as it was typed.

    Without a hash, for an unknown user, it returns False after the same work.
    """
    with _AT_ONCE:
        typed = dict.fromkeys((unicodedata.normalize("NFC", password), password))
        found = any(_has_hash(one, password_hash or unknown_users_hash()) for one in typed)
    return found and password_hash is not None


def _has_hash(password: str, password_hash: str) -> bool:
    try:
        return _HASHER.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False
