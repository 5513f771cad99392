"""Settings of the server's processes, read once from LETHE_… variables and the home folder."""

import os
import stat
import tomllib
from dataclasses import dataclass, field
from email.utils import parseaddr
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast
from urllib.parse import parse_qs, unquote, urlsplit

from platformdirs import user_data_path
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from lethe.evaluator.settings_base import (
    LetheSettings,
    require_artifacts_url,
    require_broker_url,
    require_certificates,
    require_database_url,
    verified_broker,
)
from lethe.server.errors import ConfigurationError

DATABASE_FILE = "lethe.db"
Registration = Literal["open", "invite-only", "closed"]
RootPath = Annotated[str, Field(pattern=r"^(/[A-Za-z0-9_-]+)*/?$"), AfterValidator(lambda path: path.removesuffix("/"))]
Rate = Annotated[str, Field(pattern=r"^([1-9]\d{0,8}/(second|minute|hour|day))?$")]


@dataclass(frozen=True)
class MailServer:
    """Where mails go. `tls`: `implicit` from the first byte, `starttls` before anything is said, or `none`."""

    host: str
    port: int
    tls: Literal["implicit", "starttls", "none"]
    username: str
    password: str = field(repr=False)


def parse_smtp_url(text: str) -> MailServer | None:
    """Return the mail server of `smtp[s]://user:password@host:port?tls=…`; None for no text. Raises ValueError."""
    if not text:
        return None
    parts = urlsplit(text)
    query = parse_qs(parts.query, strict_parsing=bool(parts.query))
    tls = query.pop("tls", ["starttls"])[-1] if parts.scheme == "smtp" else "implicit"
    is_known = parts.scheme in {"smtp", "smtps"} and tls in {"implicit", "starttls", "none"} and not query
    if not is_known or not parts.hostname or parts.path not in {"", "/"} or parts.fragment:
        raise ValueError("write smtps://user:password@host, or smtp://user:password@host:587")
    if not unquote(text).isascii():
        raise ValueError("use an smtp user and password of ASCII characters: others cannot be sent")
    default = {"implicit": 465, "starttls": 587, "none": 25}[tls]
    username, password = unquote(parts.username or ""), unquote(parts.password or "")
    return MailServer(parts.hostname, parts.port or default, cast(Any, tls), username, password)


def require_smtp_url(url: SecretStr) -> SecretStr:
    """Return the URL of a mail server, or none; raises ValueError."""
    parse_smtp_url(url.get_secret_value())
    return url


def require_sender(text: str) -> str:
    """Return the sender of mails, or nothing; raises ValueError."""
    if text and ("@" not in parseaddr(text)[1] or not text.isprintable()):
        raise ValueError("write an address such as Lethe <lethe@example.org>")
    return text


def parse_networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Return the networks of a comma-separated list; raises ValueError."""
    return tuple(ip_network(one.strip()) for one in text.split(",") if one.strip())


def require_networks(text: str) -> str:
    """Return a list of networks, or nothing; raises ValueError."""
    try:
        parse_networks(text)
    except ValueError as error:
        raise ValueError(f"write networks such as 10.1.0.0/16, 192.168.1.5: {error}") from error
    return text


def require_public_url(text: str) -> str:
    """Return the address of the site without the last slash, or nothing; raises ValueError."""
    parts = urlsplit(text)
    if text and (parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment):
        raise ValueError("write the address of the site, such as https://lethe.example.org")
    return text.removesuffix("/")


ProviderName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$")]
GITHUB = "https://github.com"


class SignInProvider(BaseModel):
    """Where people sign in with an account of theirs: a table of LETHE_SIGN_IN, whose key is `name`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ProviderName
    title: Annotated[str, Field(min_length=1, max_length=60)]
    kind: Literal["openid", "github"] = "openid"
    issuer: str = ""
    client_id: Annotated[str, Field(min_length=1, max_length=300)]
    client_secret: Annotated[SecretStr, Field(min_length=16, max_length=1_000)]
    scope: str = "openid email profile"

    @model_validator(mode="after")
    def _checked_issuer(self) -> Self:
        if self.kind == "github" and not self.issuer:
            object.__setattr__(self, "issuer", GITHUB)
        if not is_secure_address(self.issuer):
            raise ValueError("write the issuer as https://…, exactly as the provider writes it")
        return self


def is_secure_address(url: str) -> bool:
    """Whether `url` is https://…, or http:// of this machine."""
    try:
        parts = urlsplit(url)
        is_plain = bool(parts.hostname) and not parts.username and not parts.fragment and len(url) <= 300
    except ValueError:
        return False
    return is_plain and (
        parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in {"127.0.0.1", "localhost"})
    )


def parse_sign_in(text: str) -> tuple[SignInProvider, ...]:
    """Return the providers of a TOML document, in its order; raises ValueError, which never shows a secret."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"not TOML: {error}") from None
    found = []
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise ValueError(f"write a table [{name}] for each provider")  # noqa: TRY004 - pydantic expects it
        try:
            found.append(SignInProvider.model_validate({"title": name} | table | {"name": name}))
        except ValidationError as error:
            faults = (f"{'.'.join(map(str, one['loc'])) or 'it'}: {one['msg']}" for one in error.errors())
            raise ValueError(f"[{name}] {'; '.join(faults)}") from None
    if len({one.issuer for one in found}) < len(found):
        raise ValueError("two providers have the same issuer")
    return tuple(found)


def require_sign_in(text: SecretStr) -> SecretStr:
    """Return the document of providers; raises ValueError."""
    parse_sign_in(text.get_secret_value())
    return text


class Settings(LetheSettings):
    """Where state is stored and how processes find each other; only URLs differ between a laptop and a cluster."""

    home: Path = Field(
        default_factory=lambda: user_data_path("lethe"),
        description="Home folder: embedded database, broker and artifacts",
    )
    database_url: Annotated[SecretStr, AfterValidator(require_database_url)] = Field(
        default=SecretStr(""), description="SQLAlchemy URL; empty: SQLite in the home folder"
    )
    broker_url: Annotated[SecretStr, AfterValidator(require_broker_url)] = Field(
        default=SecretStr(""), description="Celery broker URL; empty: a folder in the home folder"
    )
    broker_ca: Annotated[Path | None, AfterValidator(require_certificates)] = Field(
        default=None,
        description="File with certificates of authorities that are trusted for rediss://, besides the system's",
    )
    artifacts_url: Annotated[str, AfterValidator(require_artifacts_url)] = Field(
        default="", description="file:// or s3:// URL; empty: a folder in the home folder"
    )
    host: str = Field(default="127.0.0.1", description="Address `lethe serve` listens on")
    port: int = Field(default=8000, ge=1, le=65535, description="Port `lethe serve` listens on")
    root_path: RootPath = Field(
        default="",
        description="Path of the site on its host, such as /lethe; empty: the whole host is Lethe's",
    )
    trusted_proxies: str = Field(
        default="",
        description="Comma-separated addresses or networks whose X-Forwarded-For and -Proto are trusted; empty: none",
    )
    lease_s: float = Field(
        default=60.0, gt=0, description="Seconds a worker may stay silent before another worker gets its item"
    )
    sweep_s: float = Field(default=15.0, gt=0, description="Seconds between two sweeps for lost work")
    max_attempts: int = Field(
        default=3, ge=1, description="Workers that may die on one item before it fails as a platform fault"
    )
    sandbox_backend: str = Field(
        default="",
        description="As on the workers. A worker that isolates nothing gets work only if the server, too, is set to "
        "unsafe-subprocess",
    )
    registration: Registration = Field(
        default="open", description="Who may create an account: anybody, people with an invitation, or nobody"
    )
    rate_per_address: Rate = Field(default="3000/minute", description="API calls from one address; empty: no limit")
    rate_per_token: Rate = Field(default="1200/minute", description="API calls with one token; empty: no limit")
    rate_practice: Rate = Field(
        default="300/hour",
        description="Downloads of practice bundles, whole or in part, by one address; empty: no limit",
    )
    connections: int = Field(default=2000, ge=1, description="Connections that `lethe serve` keeps open at a time")
    connections_per_address: int = Field(
        default=500,
        ge=0,
        description="Of these from one address; 0: no limit. Behind trusted proxies it is not applied",
    )
    streams: int = Field(
        default=1500,
        ge=0,
        description="Event streams that `lethe serve` keeps open at a time, three quarters of the connections at most; "
        "pages without one ask every few seconds",
    )
    photograph_pixels: int = Field(
        default=80_000_000,
        ge=1,
        description="Pixels of the largest photograph that `lethe admin competition create` reads; decoding one takes "
        "three bytes of memory for each, in as many threads as there are cores",
    )
    smtp_url: Annotated[SecretStr, AfterValidator(require_smtp_url)] = Field(
        default=SecretStr(""),
        description="Mail server: smtps://user:password@host, or smtp://… with STARTTLS, which ?tls=none leaves out; "
        "empty: no mail",
    )
    mail_from: Annotated[str, AfterValidator(require_sender)] = Field(
        default="", description="Sender of mails, such as Lethe <lethe@example.org>"
    )
    public_url: Annotated[str, AfterValidator(require_public_url)] = Field(
        default="",
        description="Address of the site as people reach it, for links in mails, feeds and previews: https://…",
    )
    webhook_networks: Annotated[str, AfterValidator(require_networks)] = Field(
        default="",
        description="Comma-separated networks of this site to which webhooks may lead, with http:// too, besides "
        "public addresses with https://; empty: none",
    )
    sign_in: Annotated[SecretStr, AfterValidator(require_sign_in)] = Field(
        default=SecretStr(""),
        description="Institutions with whose accounts people sign in: TOML with a table for each, as a text or in the "
        "file that LETHE_SIGN_IN_FILE names; empty: none",
    )
    attempts_per_address: int = Field(
        default=500,
        ge=0,
        description="Uploads from one address that are checked per day (UTC), without those of accounts that are older "
        "than a day and have logged in from there; 0: no limit",
    )
    registrations_per_address: Rate = Field(
        default="300/hour", description="Accounts that are created from one address; empty: no limit"
    )
    logins_per_address: Rate = Field(
        default="1200/hour",
        description="Attempts to log in from one address to accounts that never did from there; empty: no limit",
    )
    log_format: str = Field(default="text", pattern="^(text|json)$", description="Readable lines or JSON lines")
    log_level: str = Field(
        default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="Least severe level shown"
    )

    @model_validator(mode="after")
    def _absolute_home(self) -> Self:
        object.__setattr__(self, "home", self.home.expanduser().resolve())
        return self

    @model_validator(mode="after")
    def _whole_mail(self) -> Self:
        named = {"LETHE_SMTP_URL": self.smtp_url.get_secret_value(), "LETHE_MAIL_FROM": self.mail_from}
        named["LETHE_PUBLIC_URL"] = self.public_url
        missing = [name for name, value in named.items() if not value]
        if missing and (named["LETHE_SMTP_URL"] or named["LETHE_MAIL_FROM"]):
            raise ValueError(f"mail needs {' and '.join(missing)} as well")
        return self

    @property
    def mail_server(self) -> MailServer | None:
        """The mail server, or None: the site sends no mail."""
        return parse_smtp_url(self.smtp_url.get_secret_value())

    @property
    def sign_in_providers(self) -> tuple[SignInProvider, ...]:
        """Where people may sign in, in the order in which pages offer it."""
        return parse_sign_in(self.sign_in.get_secret_value())

    @property
    def database(self) -> str:
        return self.database_url.get_secret_value() or f"sqlite:///{self.home / DATABASE_FILE}"

    @property
    def is_empty_home(self) -> bool:
        """Whether the database would be the embedded one, and is not there yet."""
        return not self.database_url.get_secret_value() and not (self.home / DATABASE_FILE).exists()

    @property
    def broker(self) -> str:
        named = verified_broker(self.broker_url.get_secret_value(), self.broker_ca)
        return named or f"filesystem://{self.home / 'broker'}"

    @property
    def artifacts(self) -> str:
        return self.artifacts_url or f"file://{self.home / 'artifacts'}"

    @property
    def server_url(self) -> str:
        host = "127.0.0.1" if self.host in {"0.0.0.0", "::"} else self.host  # noqa: S104 - compared, not bound
        return f"http://{host}:{self.port}"

    def prepare_home(self) -> Path:
        """Create the home folder if needed and return it; raises ConfigurationError when it is not writable."""
        try:
            self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
            _close(self.home)
            probe = self.home / ".writable"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise ConfigurationError(
                f"cannot write to the home folder {self.home} ({error.strerror}): "
                "choose another with --home or LETHE_HOME"
            ) from error
        return self.home


def _close(home: Path) -> None:
    """Let nobody else into a home folder of ours that was open, such as one that somebody made with `mkdir`.

    A folder that holds other things, such as /tmp, stays as it is.
    """
    found = home.stat()
    is_ours = found.st_uid == os.geteuid() and not found.st_mode & stat.S_ISVTX
    if is_ours and found.st_mode & 0o077 and ((home / DATABASE_FILE).exists() or not any(home.iterdir())):
        home.chmod(0o700)
