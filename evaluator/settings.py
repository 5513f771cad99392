"""Settings of an evaluation worker, read once from LETHE_… variables. No database among them."""

import os
from pathlib import Path

from platformdirs import user_cache_path
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from sandbox.setup import DEFAULT_UID


class WorkerSettings(BaseSettings):
    """Where the server, the broker and the artifacts are, and how much this worker does at once."""

    model_config = SettingsConfigDict(env_prefix="LETHE_", frozen=True, extra="ignore")

    server_url: str = Field(description="URL of lethe serve")
    worker_key: SecretStr = Field(description="Key from lethe admin worker-key create")
    broker_url: SecretStr = Field(description="Celery broker URL; its messages only wake the worker")
    artifacts_url: str = Field(description="file:// or s3:// URL of the artifact store")
    cache: Path = Field(default_factory=lambda: user_cache_path("lethe"), description="Folder for fetched artifacts")
    slots: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1, description="Runs at the same time")
    sandbox_uid: int = Field(default=DEFAULT_UID, ge=1, description="Uid of guests when the worker runs as root")
    outputs_wall_s: float = Field(default=60.0, gt=0, description="Seconds that computing one model's outputs may take")
    log_format: str = Field(default="text", pattern="^(text|json)$", description="Readable lines or JSON lines")
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="Least level shown")
