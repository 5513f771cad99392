"""Settings of an evaluation worker, read once from LETHE_… and the installer's variables; no database among them."""

import os
from pathlib import Path

from platformdirs import user_cache_path
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

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


class SandboxSettings(BaseSettings):
    """How submissions are isolated here."""

    model_config = SettingsConfigDict(env_prefix="LETHE_", frozen=True, extra="ignore")

    sandbox_backend: Backend = Field(
        default=Backend.ZYGOTE,
        description="bubblewrap-zygote; bubblewrap-fresh: a new jail and interpreter for each run; unsafe-subprocess "
        "isolates nothing; it needs the option --allow-unsafe as well, and the same setting on lethe serve",
    )
    sandbox_uid: int = Field(default=DEFAULT_UID, ge=1, description="Uid of guests when the worker runs as root")
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


class WorkerSettings(LayerSettings):
    """Where the server, the broker and the artifacts are, and how much this worker does at once."""

    server_url: str = Field(description="URL of lethe serve")
    worker_key: SecretStr = Field(description="Key from lethe admin worker-key create")
    broker_url: SecretStr = Field(
        default=SecretStr(""), description="Celery broker URL, whose messages only wake the worker; empty: it polls"
    )
    artifacts_url: str = Field(description="file:// or s3:// URL of the artifact store")
    slots: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1, description="Runs at the same time")
    outputs_wall_s: float = Field(default=60.0, gt=0, description="Seconds that computing one model's outputs may take")
    log_format: str = Field(default="text", pattern="^(text|json)$", description="Readable lines or JSON lines")
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="Least level shown")
