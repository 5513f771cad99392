"""Calls to providers, bounded in time and size, and their documents, kept for an hour."""

import json
import time
from dataclasses import dataclass
from threading import Lock
from typing import Any

import httpx
from cachetools import TTLCache

from lethe.server.context import Context
from lethe.server.errors import RequestError
from lethe.server.logs import get_logger
from lethe.server.settings import SignInProvider, is_secure_address

log = get_logger(__name__)

CONNECT_S = 5.0
WHOLE_CALL_S = 10.0
MAX_BYTES = 2**19
KEPT_S = 3600.0
AWAY_S = 10.0
"""For how long a provider that did not answer is not asked again for its documents."""


class ProviderAway(RequestError):
    """The provider does not answer, or answers what nobody can use."""

    status = 503
    code = "provider_away"
    title = "Provider away"


class SignInRefused(RequestError):
    """The provider refused, or what came back from it proves nothing."""

    status = 403
    code = "sign_in_refused"
    title = "Sign-in refused"


@dataclass(frozen=True)
class Exchange:
    """One sign-in: the provider, where it sends the browser back, and the secrets that bind its answer to it."""

    provider: SignInProvider
    redirect_uri: str
    state: str
    nonce: str
    verifier: str


def away(provider: SignInProvider, reason: str) -> ProviderAway:
    """Return the error for a provider that cannot be used now, and log why."""
    log.warning("sign_in_provider_away", provider=provider.name, reason=reason[:300])
    return ProviderAway(
        f"{provider.title} does not answer as it should. Try again later, or log in in another way.",
        headers={"Retry-After": str(int(AWAY_S))},
    )


def refused(provider: SignInProvider, reason: str) -> SignInRefused:
    """Return the error for an answer that proves nothing, and log why."""
    log.warning("sign_in_refused", provider=provider.name, reason=reason[:300])
    return SignInRefused(f"The sign-in with {provider.title} did not succeed. Start it again.")


def call(provider: SignInProvider, method: str, url: str, **more: Any) -> tuple[int, Any]:
    """Return status and JSON document of a provider's answer below 500.

    Redirects are not followed. Raises ProviderAway for anything else, for more than `MAX_BYTES`, and after
    `WHOLE_CALL_S`.
    """
    if not is_secure_address(url):
        raise away(provider, "an address that is not https://")
    ends_at = time.monotonic() + WHOLE_CALL_S
    headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "lethe"}
    body = bytearray()
    try:
        with (
            httpx.Client(timeout=CONNECT_S, headers=headers) as client,
            client.stream(method, url, **more) as response,
        ):
            if response.headers.get("content-encoding", "identity") != "identity":
                raise away(provider, "a compressed answer, which nobody asked for")
            for piece in response.iter_raw():
                body += piece
                if len(body) > MAX_BYTES or time.monotonic() > ends_at:
                    raise away(provider, "an answer that is too long or too slow")
        document = json.loads(body)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, RecursionError) as error:
        raise away(provider, f"{method}: {type(error).__name__}: {error}") from error
    if response.status_code >= httpx.codes.INTERNAL_SERVER_ERROR or response.is_redirect:
        raise away(provider, f"status {response.status_code}")
    return response.status_code, document


class ProviderDocuments:
    """What providers publish: where they are called, and their keys. One for each process; safe for threads."""

    def __init__(self, _context: Context) -> None:
        self._lock = Lock()
        self._found: TTLCache[str, dict[str, Any]] = TTLCache(maxsize=64, ttl=KEPT_S, timer=time.monotonic)
        self._away: TTLCache[str, bool] = TTLCache(maxsize=64, ttl=AWAY_S, timer=time.monotonic)

    def get(self, provider: SignInProvider, url: str, *, anew: bool = False) -> dict[str, Any]:
        """Return the document at `url`, from memory unless `anew`; raises ProviderAway."""
        with self._lock:
            found = None if anew else self._found.get(url)
            was_away = url in self._away
        if found is not None:
            return found
        if was_away:
            raise away(provider, "did not answer a moment ago")
        try:
            status, document = call(provider, "GET", url)
            if status != httpx.codes.OK or not isinstance(document, dict):
                raise away(provider, f"status {status} for a document that it has to publish")
        except ProviderAway:
            with self._lock:
                self._away[url] = True
            raise
        with self._lock:
            self._found[url] = document
        return document
