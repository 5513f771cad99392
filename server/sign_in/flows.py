"""A sign-in from the button to the proof: its secrets live in a signed cookie of the browser that began it."""

import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from lethe.server.accounts.identities import ProvenIdentity
from lethe.server.context import Context
from lethe.server.errors import NotFound
from lethe.server.settings import Settings, SignInProvider
from lethe.server.sign_in import github, openid
from lethe.server.sign_in.provider_calls import Exchange, ProviderDocuments, SignInRefused, refused

KEPT = timedelta(minutes=10)
FLOW_COOKIE, PROOF_COOKIE = "lethe_sign_in", "lethe_signed_in"
MAX_NEXT, MAX_INVITE = 500, 100
_PROTOCOLS = {"openid": openid, "github": github}


@dataclass(frozen=True)
class Visit:
    """Where the browser goes on afterwards, and the invitation to register with which it came."""

    next: str
    invite: str


def find_provider(settings: Settings, name: str) -> SignInProvider:
    """Return the provider; raises NotFound."""
    for provider in settings.sign_in_providers:
        if provider.name == name:
            return provider
    raise NotFound("Nobody signs in here with that.")


def begin(context: Context, provider: SignInProvider, visit: Visit, redirect_uri: str) -> tuple[str, str]:
    """Return the address at which the browser signs in, and the text of its `FLOW_COOKIE`; raises ProviderAway."""
    secret = {name: secrets.token_urlsafe(32) for name in ("state", "nonce", "verifier")}
    exchange = Exchange(provider, redirect_uri, **secret)
    url = _PROTOCOLS[provider.kind].authorization_url(context.one(ProviderDocuments), exchange)
    kept = Visit(visit.next if len(visit.next) <= MAX_NEXT else "/account", visit.invite[:MAX_INVITE])
    return url, _seal(context.settings, FLOW_COOKIE, {"provider": provider.name, **secret, **asdict(kept)})


def finish(
    context: Context, provider: SignInProvider, cookie: str | None, answer: Mapping[str, str], redirect_uri: str
) -> tuple[Visit, ProvenIdentity]:
    """Return who signed in, from the `answer` in the address at which the provider sent the browser back.

    Raises SignInRefused and ProviderAway.
    """
    kept = _unseal(context.settings, FLOW_COOKIE, cookie)
    if kept is None or kept["provider"] != provider.name:
        raise SignInRefused("This sign-in was begun in another browser, or more than ten minutes ago. Start it again.")
    if not hmac.compare_digest(answer.get("state", "").encode(), kept["state"].encode()):
        raise refused(provider, "wrong state")
    if "error" in answer:
        if answer["error"] == "access_denied":
            raise SignInRefused(f"{provider.title} says that the sign-in was cancelled.")
        raise refused(provider, f"the provider answered {answer['error']}")
    if not answer.get("code"):
        raise refused(provider, "no code")
    exchange = Exchange(provider, redirect_uri, kept["state"], kept["nonce"], kept["verifier"])
    protocol = _PROTOCOLS[provider.kind]
    found = protocol.redeem(context.one(ProviderDocuments), exchange, answer["code"], answer.get("iss", ""))
    return Visit(kept["next"], kept["invite"]), found


def keep_proof(settings: Settings, provider: SignInProvider, visit: Visit, identity: ProvenIdentity) -> str:
    """Return the text of the `PROOF_COOKIE`, with which an account is created or linked within ten minutes."""
    return _seal(settings, PROOF_COOKIE, {"provider": provider.name, "visit": asdict(visit), "who": asdict(identity)})


def read_proof(settings: Settings, cookie: str | None) -> tuple[SignInProvider, Visit, ProvenIdentity]:
    """Return what `keep_proof` kept; raises SignInRefused."""
    kept = _unseal(settings, PROOF_COOKIE, cookie)
    if kept is None:
        raise SignInRefused("Your sign-in is more than ten minutes old. Start it again.")
    return find_provider(settings, kept["provider"]), Visit(**kept["visit"]), ProvenIdentity(**kept["who"])


def _key(settings: Settings) -> OctKey:
    """Return the key of cookies, which all processes derive from the secrets that they share with providers."""
    secret = settings.sign_in.get_secret_value().encode()
    return OctKey.import_key(hmac.new(secret, b"lethe: cookies of sign-ins", hashlib.sha256).digest())


def _seal(settings: Settings, use: str, claims: dict[str, Any]) -> str:
    ends_at = int(time.time() + KEPT.total_seconds())
    return jwt.encode({"alg": "HS256"}, {"use": use, "exp": ends_at, **claims}, _key(settings))


def _unseal(settings: Settings, use: str, text: str | None) -> dict[str, Any] | None:
    """Return what was sealed for the same use less than ten minutes ago under the same settings, or None."""
    try:
        claims = jwt.decode(text or "", _key(settings), algorithms=["HS256"]).claims
        jwt.JWTClaimsRegistry(exp={"essential": True}, use={"essential": True, "value": use}).validate(claims)
    except (JoseError, ValueError):
        return None
    return claims
