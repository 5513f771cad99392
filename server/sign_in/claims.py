"""What a provider says about a person, as far as it counts here."""

from typing import Any

from pydantic import TypeAdapter, ValidationError

from lethe.server.accounts.identities import ProvenIdentity
from lethe.server.accounts.schemas import Email
from lethe.server.plain_text import one_line

_EMAIL: TypeAdapter[str] = TypeAdapter(Email)
SUBJECT_CHARS, LABEL_CHARS = 255, 100


def proven_identity(issuer: str, claims: dict[str, Any]) -> ProvenIdentity:
    """Return the identity of verified claims. An address counts if the provider says that it is verified."""
    is_verified = claims.get("email_verified") in (True, "true")
    email = _address(claims.get("email")) if is_verified else ""
    names = (email, claims.get("preferred_username"), claims.get("name"), claims["sub"])
    label = next(name for name in names if isinstance(name, str) and name)
    return ProvenIdentity(issuer, claims["sub"], email, one_line(label)[:LABEL_CHARS])


def _address(said: Any) -> str:
    try:
        return _EMAIL.validate_python(said, strict=True)
    except ValidationError:
        return ""
