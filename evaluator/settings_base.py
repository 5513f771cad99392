"""What the settings of all processes share: LETHE_… variables, secrets in files, and addresses that can work."""

import os
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from pydantic import Field, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from lethe.evaluator.errors import EvaluatorError

PREFIX = "LETHE_"
WORKER_KEY_PREFIX = "lethew_"
_ONE_REDIS = "name one server as redis://host:6379/0"


class SecretUnreadable(EvaluatorError):
    """A secret's file cannot be read, or the secret is given twice."""


class LetheSettings(BaseSettings):
    """Settings from options, LETHE_… variables and, for secrets, the files that LETHE_…_FILE name; in this order."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic-settings' signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return where values come from, the first taking precedence."""
        return init_settings, env_settings, _SecretFiles(settings_cls)

    @classmethod
    def variables(cls) -> set[str]:
        """Return the names of the variables that these settings read."""
        names = {f"{PREFIX}{name.upper()}" for name in cls.model_fields}
        return names | {_file_variable(name) for name, field in cls.model_fields.items() if _is_secret(field)}


class StoreSettings(BaseSettings):
    """The variables through which an S3 store is found; they have the names that every client of S3 reads."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    aws_endpoint_url: str = Field(default="", description="Address of an S3 store that is not Amazon's")
    aws_secret_access_key: SecretStr = Field(default=SecretStr(""), description="Secret with which the store is used")


def unknown_variables(known: set[str]) -> list[str]:
    """Return the names of LETHE_… variables that are set and not among `known`."""
    return sorted(name for name in os.environ if name.startswith(PREFIX) and name not in known)


class _SecretFiles(PydanticBaseSettingsSource):
    """Secrets from files, as container engines and systemd hand them over; a last line break is no part of them."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        path = os.environ.get(_file_variable(field_name), "") if _is_secret(field) else ""
        if not path:
            return None, field_name, False
        if os.environ.get(f"{PREFIX}{field_name.upper()}"):
            raise SecretUnreadable(
                f"{PREFIX}{field_name.upper()} and {_file_variable(field_name)} are both set: keep one"
            )
        try:
            return Path(path).read_text(encoding="utf-8").rstrip("\r\n"), field_name, False
        except (OSError, UnicodeDecodeError) as error:
            raise SecretUnreadable(f"{_file_variable(field_name)}: cannot read {path}: {error}") from error

    def __call__(self) -> dict[str, Any]:
        values = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in values.items() if value is not None}


def _is_secret(field: FieldInfo) -> bool:
    return field.annotation is SecretStr


def _file_variable(name: str) -> str:
    return f"{PREFIX}{name.upper()}_FILE"


def require_artifacts_url(url: str) -> str:
    """Return `url`; raises ValueError unless it is empty, file:///…, memory:// or s3://bucket/…"""
    parts = urlsplit(url)
    if not url or parts.scheme == "memory" or (parts.scheme == "file" and parts.path.startswith("/")):
        return url
    if parts.scheme == "s3" and parts.netloc:
        return url
    raise ValueError(f"{url!r} cannot be used: write file:///absolute/folder or s3://bucket/prefix")


def require_broker_url(secret: SecretStr) -> SecretStr:
    """Return the URL; raises ValueError for a broker that Lethe does not speak to. Its text may hold a password."""
    url = secret.get_secret_value()
    scheme = urlsplit(url).scheme
    if scheme in {"redis", "rediss"}:
        _require_redis_url(url)
    elif scheme in {"valkey", "valkeys"}:
        raise ValueError(f"{scheme}:// is not supported: {_ONE_REDIS} or rediss://…, which Valkey speaks too")
    elif "sentinel" in scheme:
        raise ValueError(f"{scheme}:// is not supported: {_ONE_REDIS}; while it is away, Lethe only gets slower")
    elif url and scheme not in {"filesystem", "memory"}:
        raise ValueError(f"{scheme or 'no'} scheme cannot be used: write redis://host:6379/0, rediss://… or nothing")
    return secret


def _require_redis_url(url: str) -> None:
    parts = urlsplit(url)
    if any(mark in url for mark in ";,") or parts.netloc.count("@") > 1:
        raise ValueError(f"{_ONE_REDIS}, and write @, ; and , of its password as %40, %3B and %2C")
    try:
        is_fine = parts.port is None or parts.port > 0
    except ValueError:
        is_fine = False
    if not is_fine or not (parts.path.strip("/") or "0").isdigit():
        raise ValueError(f"port and database must be numbers: {_ONE_REDIS}, and write a / of its password as %2F")
    checks = dict(parse_qsl(parts.query)).get("ssl_cert_reqs", "required")
    if checks not in {"required", "optional", "none"}:
        raise ValueError(
            f"ssl_cert_reqs={checks} cannot be used: it is required, which is the default, optional or none"
        )


def require_certificates(path: Path | None) -> Path | None:
    """Return the absolute path; raises ValueError unless the file has certificates in PEM format."""
    if path is None:
        return None
    try:
        ssl.create_default_context(cafile=path)
    except OSError as error:  # its subclasses say that there is no file, or no certificate in it
        raise ValueError(f"{path} has no certificates in PEM format: {error}") from error
    return path.absolute()


def verified_broker(url: str, authorities: Path | None) -> str:
    """Return `url`; one of rediss:// says that certificate and name are checked, and by which authorities.

    Celery's transport would check nothing without being told. What the URL itself says takes precedence.
    """
    parts = urlsplit(url)
    if parts.scheme != "rediss":
        return url
    wanted = {"ssl_cert_reqs": "required", "ssl_check_hostname": "true"}
    if authorities is not None:
        wanted["ssl_ca_certs"] = str(authorities)
    return parts._replace(query=urlencode(wanted | dict(parse_qsl(parts.query)))).geturl()


def require_database_url(secret: SecretStr) -> SecretStr:
    """Return the URL; raises ValueError for another database, or a password with an @ of its own."""
    url = secret.get_secret_value()
    scheme = urlsplit(url).scheme.partition("+")[0]
    if url and scheme not in {"sqlite", "postgresql"}:
        raise ValueError("use sqlite:///folder/file or postgresql://user:password@host/database")
    if urlsplit(url).netloc.count("@") > 1:
        raise ValueError("more than one @ before the database's name: write an @ of the password as %40")
    return secret


def require_server_url(url: str) -> str:
    """Return `url` without a slash at its end; raises ValueError unless it is http(s)://host[:port], or a path of a
    site below that, which is no path of a call.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"{url!r} cannot be used: write http://host:port or https://host")
    if parts.query or {"api", "internal"} & set(parts.path.split("/")):
        raise ValueError(f"{url!r} is the address of a call: the server's URL ends with its host and port, or its path")
    return url.rstrip("/")
