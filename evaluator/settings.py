"""Settings of an evaluation worker, read once from LETHE_… and the installer's variables; no database among them."""

import os
from pathlib import Path
from typing import Annotated, Literal

from platformdirs import user_cache_path
from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from lethe.evaluator.settings_base import (
    WORKER_KEY_PREFIX,
    LetheSettings,
    require_artifacts_url,
    require_broker_url,
    require_certificates,
    require_server_url,
    verified_broker,
)
from lethe.sandbox.setup import DEFAULT_UID, Backend


class IndexSettings(BaseSettings):
    """The variables through which uv and its TLS find the operator's package index; the installer sees no others.

    They have uv's own names, without a prefix. Addresses may carry credentials.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    uv_default_index: SecretStr | None = Field(default=None, description="The package index")
    uv_index_url: SecretStr | None = Field(default=None, description="The same, under its old name")
    uv_index: SecretStr | None = Field(default=None, description="Indexes asked before; one that has a name owns it")
    uv_extra_index_url: SecretStr | None = Field(default=None, description="The same, under its old name")
    uv_find_links: SecretStr | None = Field(default=None, description="Folders or pages with wheels")
    uv_insecure_host: SecretStr | None = Field(default=None, description="Hosts whose certificates are not checked")
    uv_system_certs: SecretStr | None = Field(default=None, description="Trust the system's certificates")
    uv_http_timeout: SecretStr | None = Field(default=None, description="Seconds to wait for the index")
    uv_http_retries: SecretStr | None = Field(default=None, description="How often to ask the index again")
    ssl_cert_file: SecretStr | None = Field(default=None, description="Certificates to trust")
    ssl_cert_dir: SecretStr | None = Field(default=None, description="Certificates to trust")
    http_proxy: SecretStr | None = Field(default=None, description="Proxy for http")
    https_proxy: SecretStr | None = Field(default=None, description="Proxy for https")
    all_proxy: SecretStr | None = Field(default=None, description="Proxy for both")
    no_proxy: SecretStr | None = Field(default=None, description="Hosts that are reached without it")

    def variables(self) -> dict[str, str]:
        """What is set, as environment variables."""
        found = {name.upper(): getattr(self, name) for name in type(self).model_fields}
        return {name: value.get_secret_value() for name, value in found.items() if value is not None}


class SandboxSettings(LetheSettings):
    """How submissions are isolated here."""

    sandbox_backend: Backend = Field(
        default=Backend.ZYGOTE,
        description="bubblewrap-zygote; bubblewrap-fresh: a new jail and interpreter for each run; unsafe-subprocess "
        "isolates nothing; it needs the option --allow-unsafe as well, and the same setting on lethe serve",
    )
    sandbox_uid: int = Field(default=DEFAULT_UID, ge=1, description="Uid of guests when the worker runs as root")
    shared_image: bool = Field(
        default=False,
        description="Share the files that guests see with other workers of this user, which saves gigabytes of memory; "
        "runs of two workers at the same time can then exchange bits, also from a hidden run to a check",
    )
    preload: bool = Field(
        default=True,
        description="Import what submissions import when a sandbox starts, which takes three seconds of a processor "
        "once, instead of in every run that needs it",
    )
    gpu: int | None = Field(
        default=None, ge=0, description="Number of the worker's own GPU, as in /dev/nvidia0; unset: the processor"
    )


class LayerSettings(SandboxSettings):
    """Where packages for submissions are kept, and who installs them when the worker runs as root."""

    cache: Path = Field(default_factory=lambda: user_cache_path("lethe"), description="Folder for fetched artifacts")
    layers: Path | None = Field(
        default=None,
        description="Folder of installed packages, which guests must be able to read; unset: in the cache, as root "
        "/var/cache/lethe-layers",
    )
    layers_bytes: int = Field(default=20 * 2**30, ge=0, description="Bytes of installed packages to keep")
    installer_uid: int = Field(
        default=DEFAULT_UID + 1, ge=1, description="Uid of the package installer when the worker runs as root"
    )

    @property
    def layers_folder(self) -> Path:
        """As root not in the cache: home and cache are closed to everybody but root."""
        if self.layers is not None:
            return self.layers.absolute()
        return Path("/var/cache/lethe-layers") if os.geteuid() == 0 else self.cache.absolute() / "layers"


def _require_key(key: SecretStr) -> SecretStr:
    if not key.get_secret_value().startswith(WORKER_KEY_PREFIX):
        raise ValueError(f"no worker key: lethe admin worker-key create NAME prints one, {WORKER_KEY_PREFIX}…")
    return key


def _require_store(url: str) -> str:
    if not url:
        raise ValueError("name the artifact store of the server, file:///absolute/folder or s3://bucket/prefix")
    return require_artifacts_url(url)


class WorkerSettings(LayerSettings):
    """Where the server, the broker and the artifacts are, and how much this worker does at once."""

    server_url: Annotated[str, AfterValidator(require_server_url)] = Field(description="URL of lethe serve")
    worker_key: Annotated[SecretStr, AfterValidator(_require_key)] = Field(
        description="Key from lethe admin worker-key create"
    )
    broker_url: Annotated[SecretStr, AfterValidator(require_broker_url)] = Field(
        default=SecretStr(""), description="Celery broker URL, whose messages only wake the worker; empty: it polls"
    )
    broker_ca: Annotated[Path | None, AfterValidator(require_certificates)] = Field(
        default=None,
        description="File with certificates of authorities that are trusted for rediss://, besides the system's",
    )
    artifacts_url: Annotated[str, AfterValidator(_require_store)] = Field(
        description="file:// or s3:// URL of the artifact store"
    )
    min_free_bytes: int = Field(
        default=2**30, ge=0, description="Bytes that must be free in the cache; with less, the worker asks for no work"
    )
    slots: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1, description="Runs at the same time")
    only: Literal["check", "hidden"] | None = Field(
        default=None,
        description="Stage that this worker works on: checks, or runs on hidden data; unset: both",
    )
    outputs_wall_s: float = Field(default=60.0, gt=0, description="Seconds that computing one model's outputs may take")
    log_format: str = Field(default="text", pattern="^(text|json)$", description="Readable lines or JSON lines")
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="Least level shown")

    @property
    def broker(self) -> str:
        """The broker's URL, or nothing."""
        return verified_broker(self.broker_url.get_secret_value(), self.broker_ca)
