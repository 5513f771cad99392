"""The page after a first sign-in with an account elsewhere, as a value for its template."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class SignInPage:
    """Who signed in where, and what the forms contain; `asks_password` of an account that is logged in already."""

    title: str
    label: str
    username: str
    email: str
    is_verified: bool
    invite: str
    by_invite: bool
    asks_password: bool
    problem: str = ""


def name_of(label: str) -> str:
    """Return a user name like the label of an account elsewhere, which may be taken, or nothing."""
    return re.sub(r"[^A-Za-z0-9._-]|^[._-]+", "", label.partition("@")[0])[:40].rstrip("._-")
