"""Server and token: given, from LETHE_SERVER and LETHE_TOKEN, or stored by `lethe login`."""

import os
from pathlib import Path
from typing import Self
from uuid import UUID

from platformdirs import user_config_path
from pydantic import BaseModel, Field, SecretStr, ValidationError

from lethe.evaluator.settings_base import LetheSettings
from lethe.server.client.api import Client
from lethe.server.errors import ConfigurationError

DEFAULT_SERVER = "http://127.0.0.1:8000"


class ClientSettings(LetheSettings):
    """Server and token from the environment."""

    server: str = Field(default="", description="URL of the server")
    token: SecretStr = Field(default=SecretStr(""), description="API token; takes precedence over the stored login")


class StoredLogin(BaseModel):
    """A server, an account and its token, in a file that only its user can read (mode 0600)."""

    server: str
    username: str
    token: str
    token_id: UUID | None = None

    @staticmethod
    def path() -> Path:
        """Return `lethe/login.json` in the platform's configuration folder."""
        return user_config_path("lethe") / "login.json"

    @classmethod
    def load(cls) -> Self | None:
        """Return the stored login, or None; raises ConfigurationError for an unreadable file."""
        try:
            return cls.model_validate_json(cls.path().read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            raise ConfigurationError(f"cannot read {cls.path()}: delete it and run lethe login again") from error

    def save(self) -> None:
        """Store the login atomically, in a file that nobody else can read at any moment."""
        path = self.path()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        new = path.with_suffix(f".{os.getpid()}")
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(self.model_dump_json())
        new.replace(path)


def find_server(server: str | None = None) -> tuple[str, str]:
    """Return the server's address, and where it was found."""
    stored = StoredLogin.load()
    settings = ClientSettings()
    for found, origin in (
        (server, "--server"),
        (settings.server, "LETHE_SERVER"),
        (stored.server if stored else None, f"lethe login ({StoredLogin.path()})"),
    ):
        if found:
            return _checked(found, origin), origin
    return DEFAULT_SERVER, "the default"


def connect(server: str | None = None, token: str | None = None) -> Client:
    """Return a client for `server` and `token`, by default those of the environment, then of the stored login.

    A stored token is sent only to the server that it was stored for.
    """
    address, origin = find_server(server)
    token = token or ClientSettings().token.get_secret_value()
    stored = StoredLogin.load()
    if not token and stored is not None and stored.server == address:
        token = stored.token
    return Client(address, token or None, origin=origin)


def _checked(address: str, origin: str) -> str:
    if not address.startswith(("http://", "https://")):
        raise ConfigurationError(f"{address!r} from {origin} is not an address: start it with https:// or http://")
    return address.rstrip("/")
