"""Checks what a site on the public internet must have, for `lethe doctor --production`. Changes nothing."""

import ipaddress
import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

import httpx

from lethe.evaluator.settings_base import StoreSettings
from lethe.sandbox.doctor import HostFinding
from lethe.server.cli.installation import if_installed, shown_url
from lethe.server.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from lethe.server.database.engine import Database

LEAST_CHARACTERS, LEAST_KINDS = 16, 8
"""A shorter secret, or one of fewer different characters, can be guessed."""
NEW_SECRET = "make one with openssl rand -hex 24, and keep it in a file of its own (LETHE_…_FILE)"  # noqa: S105
BACKUP_AGE = timedelta(days=2)
TOLERATED_S = 1.0
UNSAFE = "unsafe"
_ANSWER_S = 15.0
_DURABLE = {
    "fsync": {"on"},
    "full_page_writes": {"on"},
    "synchronous_commit": {"on", "local", "remote_apply", "remote_write"},
}


def inspect(settings: Settings, url: str | None) -> list[HostFinding]:
    """Return a finding for each thing that a public site must have or decide; `url` is its public address, if known.

    Raises nothing. What cannot be known here is a finding that is not required.
    """
    return [
        *(_ask_site(url) if url else [_not_asked()]),
        _proxies(settings),
        _listening(settings),
        _registration(settings),
        _rates(settings),
        _isolation(settings),
        _home(settings),
        *_secrets(settings),
        _broker(settings),
        _store(),
        *_look_into_database(settings),
    ]


def _not_asked() -> HostFinding:
    return HostFinding(
        "public address", False, False, "not asked", "name it: lethe doctor --production --url https://…"
    )


def _ask_site(url: str) -> Iterator[HostFinding]:
    """Ask the site as a browser would: by HTTPS, with the certificate checked."""
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        remedy = "put a proxy with TLS in front (deploy/nginx.conf), and name https://…"
        yield HostFinding("public address", False, True, f"{url} is not https://", remedy)
        return
    base = f"https://{parts.netloc}{parts.path.rstrip('/')}"
    with httpx.Client(timeout=_ANSWER_S) as client:
        try:
            answer = client.get(f"{base}/healthz")
        except httpx.HTTPError as error:
            remedy = "mend the proxy, its certificate or the name in the DNS"
            yield HostFinding("public address", False, True, f"{base}: {error or type(error).__name__}", remedy)
            return
        if answer.status_code != httpx.codes.OK:
            detail = f"{base}/healthz answers {answer.status_code}"
            yield HostFinding("public address", False, True, detail, "start lethe serve, or mend the proxy")
            return
        yield HostFinding("public address", True, True, f"{base} answers, its certificate is valid")
        is_strict = "strict-transport-security" in answer.headers
        remedy = "" if is_strict else "add the header Strict-Transport-Security in the proxy (deploy/nginx.conf)"
        yield HostFinding("hsts", is_strict, False, "browsers are told to stay with HTTPS: " + _yes(is_strict), remedy)
        try:
            is_open = client.get(f"{base}/metrics").status_code == httpx.codes.OK
        except httpx.HTTPError:
            is_open = False
        remedy = "refuse /metrics in the proxy (deploy/nginx.conf)" if is_open else ""
        yield HostFinding("metrics", not is_open, True, f"{base}/metrics is open to everybody: {_yes(is_open)}", remedy)


def _proxies(settings: Settings) -> HostFinding:
    named = [each.strip() for each in settings.trusted_proxies.split(",") if each.strip()]
    remedy = "set LETHE_TRUSTED_PROXIES to the proxy's address"
    if not named:
        detail = "none: limits count the proxy as one client, and cookies of HTTPS are not marked as such"
        return HostFinding("trusted proxies", False, True, detail, remedy)
    for each in named:
        try:
            network = ipaddress.ip_network(each, strict=False)
        except ValueError:
            network = None
        if each == "*" or (network is not None and network.prefixlen == 0):
            detail = f"{each} is everybody, who could then choose the address that limits count"
            return HostFinding("trusted proxies", False, True, detail, remedy)
        if network is None:
            return HostFinding("trusted proxies", False, True, f"{each} is no address or network", remedy)
    return HostFinding("trusted proxies", True, True, ", ".join(named))


def _listening(settings: Settings) -> HostFinding:
    is_local = _is_local(settings.host)
    remedy = "" if is_local else "let only the proxy reach this port, or set LETHE_HOST=127.0.0.1"
    return HostFinding("listening", is_local, False, f"on {settings.host}:{settings.port}, without TLS", remedy)


def _registration(settings: Settings) -> HostFinding:
    is_decided = "registration" in settings.model_fields_set
    detail = f"{settings.registration}" if is_decided else f"{settings.registration}, by default"
    remedy = "" if is_decided else "decide: LETHE_REGISTRATION=open, invite-only or closed"
    return HostFinding("registration", is_decided, True, detail, remedy)


def _rates(settings: Settings) -> HostFinding:
    without = [name for name in ("rate_per_address", "rate_per_token") if not getattr(settings, name)]
    if not without:
        return HostFinding("rates", True, True, f"{settings.rate_per_address}, {settings.rate_per_token}")
    variables = ", ".join(f"LETHE_{name.upper()}" for name in without)
    return HostFinding("rates", False, True, f"{variables} is empty: no limit", f"unset {variables}, or set a rate")


def _isolation(settings: Settings) -> HostFinding:
    is_unsafe = settings.sandbox_backend.startswith(UNSAFE)
    detail = (
        f"{settings.sandbox_backend} lets workers run strangers' code on their machine" if is_unsafe else "demanded"
    )
    return HostFinding("isolation", not is_unsafe, True, detail, "unset LETHE_SANDBOX_BACKEND" if is_unsafe else "")


def _home(settings: Settings) -> HostFinding:
    home = settings.home
    try:
        found = home.stat()
    except OSError as error:
        remedy = "lethe migrate creates it; or correct LETHE_HOME"
        return HostFinding("home", False, True, f"{home}: {error.strerror}", remedy)
    if found.st_uid != os.geteuid():
        detail = f"{home} belongs to uid {found.st_uid}, you are {os.geteuid()}"
        return HostFinding("home", False, False, detail, "run this as the user of lethe serve")
    is_open = bool(found.st_mode & 0o077)
    detail = f"{home}, mode {found.st_mode & 0o777:04o}"
    return HostFinding("home", not is_open, True, detail, f"chmod 700 {home}" if is_open else "")


def _secrets(settings: Settings) -> Iterator[HostFinding]:
    database, broker = (urlsplit(each) for each in (settings.database, settings.broker))
    for name, variable, password in (
        ("database password", "LETHE_DATABASE_URL", database.password),
        ("broker password", "LETHE_BROKER_URL", broker.password),
        ("store secret", "AWS_SECRET_ACCESS_KEY", StoreSettings().aws_secret_access_key.get_secret_value()),
    ):
        if password:
            secret = unquote(password)
            is_weak = len(secret) < LEAST_CHARACTERS or len(set(secret)) < LEAST_KINDS
            detail = f"in {variable}: {'can be guessed' if is_weak else f'{len(secret)} characters'}"
            yield HostFinding(name, not is_weak, True, detail, NEW_SECRET if is_weak else "")


def _broker(settings: Settings) -> HostFinding:
    url = settings.broker
    parts = urlsplit(url)
    shown = shown_url(url)
    if parts.scheme not in {"redis", "rediss"}:
        detail = "none: limits are counted by each process, and all processes need one folder"
        return HostFinding("redis", False, False, detail, "set LETHE_BROKER_URL to a Redis")
    if parts.scheme == "rediss":
        asked = parse_qs(parts.query)
        is_verified = asked["ssl_cert_reqs"] == ["required"] and asked["ssl_check_hostname"] == ["true"]
        remedy = "take ssl_… out of LETHE_BROKER_URL; LETHE_BROKER_CA names an authority of your own"
        detail = f"{shown}, certificate checked: {_yes(is_verified)}"
        return HostFinding("redis", is_verified, True, detail, "" if is_verified else remedy)
    if _is_local(parts.hostname or "localhost"):
        return HostFinding("redis", True, True, f"{shown}, on this machine")
    remedy = "use rediss:// and a password, or keep it in a network of its own: who reaches it can reset limits"
    return HostFinding("redis", False, False, f"{shown} is reached without TLS", remedy)


def _store() -> HostFinding:
    endpoint = StoreSettings().aws_endpoint_url
    parts = urlsplit(endpoint)
    if parts.scheme == "http" and not _is_local(parts.hostname or ""):
        remedy = "use https:// in AWS_ENDPOINT_URL, or keep the store in a network of its own"
        return HostFinding("store", False, False, f"{shown_url(endpoint)} is reached without TLS", remedy)
    return HostFinding("store", True, False, "reached by TLS, or on this machine")


def _look_into_database(settings: Settings) -> list[HostFinding]:
    def look() -> list[HostFinding]:
        from sqlalchemy.exc import SQLAlchemyError

        from lethe.server.database.engine import Database
        from lethe.server.errors import ConfigurationError

        try:
            database = Database(settings.database)
        except (ConfigurationError, SQLAlchemyError, ImportError):
            return []  # said already, by the finding on the database
        if database.is_sqlite:
            remedy = "set LETHE_DATABASE_URL to a PostgreSQL; SQLite is for one machine and few people"
            kind = HostFinding("database kind", False, True, "SQLite", remedy)
            if not Path(database.url.database or "").exists():
                return [kind]
        try:
            with database.read() as session:
                found = [kind] if database.is_sqlite else list(_postgresql(database, session))
                return [*found, *_site(session)]
        except SQLAlchemyError:
            return []
        finally:
            database.dispose()

    return _all_if_installed("database kind", look)


def _all_if_installed(name: str, look: Callable[[], list[HostFinding]]) -> list[HostFinding]:
    found: list[HostFinding] = []

    def check() -> HostFinding:
        found.extend(look())
        return HostFinding(name, True, True, "")

    missing = if_installed(name, check)
    return found if missing.ok else [missing]


def _postgresql(database: "Database", session: "Session") -> Iterator[HostFinding]:
    from lethe.server.hosting.production_queries import is_encrypted, server_settings
    from lethe.server.models.times import CLOCK

    said = server_settings(session, ["server_version", "server_encoding", "autovacuum", *_DURABLE])
    encoding = said["server_encoding"]
    detail = f"PostgreSQL {said['server_version']}, {encoding}" + (", behind a pooler" if database.is_pooled else "")
    remedy = "" if encoding == "UTF8" else "create it with ENCODING 'UTF8' TEMPLATE template0, and restore a backup"
    yield HostFinding("database kind", encoding == "UTF8", True, detail, remedy)
    lost = [f"{name} = {said[name]}" for name, good in _DURABLE.items() if said[name] not in good]
    detail = (
        ", ".join(lost) + ": a power cut loses accepted uploads" if lost else "accepted uploads survive a power cut"
    )
    remedy = "; ".join(f"ALTER SYSTEM RESET {each.split()[0]}" for each in lost) + ", and restart it" if lost else ""
    yield HostFinding("durability", not lost, True, detail, remedy)
    if said["autovacuum"] != "on":
        remedy = "ALTER SYSTEM RESET autovacuum: without its statistics, claims get slower every day"
        yield HostFinding("autovacuum", False, True, "off", remedy)
    host = database.url.host
    is_private = not host or host.startswith("/") or _is_local(host) or is_encrypted(session)
    remedy = "" if is_private else "add ?sslmode=verify-full to LETHE_DATABASE_URL, or keep it in a network of its own"
    detail = "reached by TLS, or on this machine" if is_private else f"{host} is reached without TLS"
    yield HostFinding("database connection", is_private, False, detail, remedy)
    ahead_s = CLOCK.ahead.total_seconds()
    is_right = abs(ahead_s) <= TOLERATED_S
    remedy = "" if is_right else "run an NTP client on both machines (systemd-timesyncd, chrony)"
    yield HostFinding("clocks", is_right, False, f"this one is {ahead_s:.1f} s ahead of the database's", remedy)


def _site(session: "Session") -> Iterator[HostFinding]:
    """Look at what operators have done: accounts, keys, workers and backups."""
    from lethe.server.audit_log.events import newest_event
    from lethe.server.hosting.backup import BACKUP
    from lethe.server.hosting.production_queries import operator_names, worker_isolation
    from lethe.server.models.times import utc_now
    from lethe.server.queue.worker_queries import worker_key_names

    operators = operator_names(session)
    remedy = "" if operators else "lethe admin user role NAME operator gives somebody the operator's pages"
    yield HostFinding("operators", bool(operators), False, ", ".join(operators) or "none", remedy)
    keys = worker_key_names(session)
    remedy = "" if keys else "lethe admin worker-key create NAME, one for each machine"
    yield HostFinding("worker keys", bool(keys), True, ", ".join(keys) or "none", remedy)
    unsafe = [name for name, mode in worker_isolation(session) if mode.startswith(UNSAFE)]
    detail = f"{', '.join(unsafe)} isolate nothing" if unsafe else "isolate submissions"
    remedy = "unset LETHE_SANDBOX_BACKEND there and start them again" if unsafe else ""
    yield HostFinding("workers", not unsafe, True, detail, remedy)
    newest = newest_event(session, BACKUP)
    age = None if newest is None else utc_now() - newest
    is_recent = age is not None and age <= BACKUP_AGE
    detail = (
        "no lethe admin backup is known" if age is None else f"the newest is {age.total_seconds() / 3600:.0f} h old"
    )
    remedy = (
        "" if is_recent else "run lethe admin backup every night (docs/operations.md), unless you back up otherwise"
    )
    yield HostFinding("backup", is_recent, False, detail, remedy)


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _yes(answer: bool) -> str:
    return "yes" if answer else "no"
