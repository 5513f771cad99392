"""The way of a message to a webhook: signed as Standard Webhooks does, to an address that was looked up once.

https://www.standardwebhooks.com, specification 1.0.0: `v1,` and base64 of HMAC-SHA256 over `id.timestamp.body`.
"""

import base64
import hashlib
import hmac
import secrets
import socket
import ssl
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import httpcore

from lethe import __version__
from lethe.server.errors import PlatformError
from lethe.server.webhooks.addresses import Network, is_named, is_public

LIMIT_S = 10.0
"""From the look-up of the name to the end of the answer."""
ANSWER_BYTES = 1000
_PREFIX = "whsec_"


class WebhookUnreachable(PlatformError):
    """There was no answer. `is_final`: another try would find the same."""

    def __init__(self, message: str, *, is_final: bool = False) -> None:
        super().__init__(message)
        self.is_final = is_final


@dataclass(frozen=True)
class WebhookAnswer:
    """The status of an answer and the start of its body."""

    status: int
    start: str


def new_signing_secret() -> str:
    """Return a new secret: 32 random bytes in base64, with the prefix of Standard Webhooks."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the `webhook-signature` of a message."""
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    signed = b".".join((message_id.encode(), str(timestamp).encode(), body))
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def post(url: str, body: bytes, *, secret: str, message_id: str, networks: Sequence[Network]) -> WebhookAnswer:
    """Send a signed message and return the answer, whatever its status; raises WebhookUnreachable.

    Redirects are not followed, proxies of the environment not used, and at most ANSWER_BYTES of the body are read.
    """
    timestamp = int(time.time())  # what receivers compare with their own clock
    headers = {
        "Host": urlsplit(url).netloc,
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "User-Agent": f"Lethe/{__version__}",
        "Connection": "close",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(secret, message_id, timestamp, body),
    }
    backend = _CheckedNetwork(networks, is_encrypted=url.startswith("https:"))
    try:
        with (
            httpcore.ConnectionPool(ssl_context=ssl.create_default_context(), network_backend=backend) as pool,
            pool.stream("POST", url, headers=list(headers.items()), content=body) as answer,
        ):
            return WebhookAnswer(answer.status, _start(answer))
    except (httpcore.TimeoutException, TimeoutError) as error:
        raise WebhookUnreachable(f"No answer within {LIMIT_S:.0f} seconds.") from error
    except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
        raise WebhookUnreachable(f"The connection failed: {error}") from error


def _start(answer: httpcore.Response) -> str:
    """Return the start of a body; what comes too late or breaks off is left out."""
    found = b""
    try:
        for piece in answer.iter_stream():
            found += piece[: ANSWER_BYTES - len(found)]
            if len(found) >= ANSWER_BYTES:
                break
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError):
        pass  # the status has come, and says whether the message was taken
    return found.decode("utf-8", "replace").replace("\0", "\ufffd")


class _CheckedNetwork(httpcore.NetworkBackend):
    """Looks a name up once, and connects to what was found if it is allowed; TLS is verified against the name."""

    def __init__(self, networks: Sequence[Network], *, is_encrypted: bool) -> None:
        self._networks, self._is_encrypted = networks, is_encrypted
        self._ends_at = time.monotonic() + LIMIT_S
        self._system = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - one limit holds for everything
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        last: Exception | None = None
        for address in self._allowed(host, port):
            try:
                stream = self._system.connect_tcp(address, port, _left(self._ends_at), local_address, socket_options)
            except httpcore.ConnectError as error:
                last = error
            else:
                return _Bounded(stream, self._ends_at)
        raise last or WebhookUnreachable("The name has no address.")

    def _allowed(self, host: str, port: int) -> list[str]:
        try:
            found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise WebhookUnreachable(f"The name {host} was not found.") from error
        addresses = [ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
        named = [str(one) for one in addresses if is_named(one, self._networks)]
        public = [str(one) for one in addresses if is_public(one)] if self._is_encrypted else []
        if not named and not public:
            why = "to no public address" if self._is_encrypted else "to no network where http:// is allowed"
            raise WebhookUnreachable(
                f"{host} leads {why}. The operator can allow a network: LETHE_WEBHOOK_NETWORKS.", is_final=True
            )
        return list(dict.fromkeys(named + public))


class _Bounded(httpcore.NetworkStream):
    """A connection that ends at one moment, however slowly bytes come."""

    def __init__(self, stream: httpcore.NetworkStream, ends_at: float) -> None:
        self._stream, self._ends_at = stream, ends_at

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        return self._stream.read(max_bytes, _left(self._ends_at))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        self._stream.write(buffer, _left(self._ends_at))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        return _Bounded(self._stream.start_tls(ssl_context, server_hostname, _left(self._ends_at)), self._ends_at)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _left(ends_at: float) -> float:
    """Return the seconds until a moment of the monotonic clock; raises ReadTimeout when it has passed."""
    left = ends_at - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("the time is over")
    return left
