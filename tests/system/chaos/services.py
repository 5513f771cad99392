"""A PostgreSQL and a Redis that can be taken away and given back."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.conftest import POSTGRES_USER, demoted, free_port, postgres_bin, wait_for_port

_QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.STDOUT, "cwd": "/"}


class Postgres:
    """A server of its own, on one port all the time, with `fsync` on: what it confirmed survives its crash."""

    def __init__(self) -> None:
        found = postgres_bin()
        assert found is not None
        self._binaries = found
        self._folder = Path(tempfile.mkdtemp(prefix="lethe-chaos-postgres-"))
        if os.getuid() == 0:
            shutil.chown(self._folder, POSTGRES_USER, POSTGRES_USER)
        self._port = free_port()
        cluster = str(self._folder / "cluster")
        command = [str(self._binaries / "initdb"), "-D", cluster, "-U", "lethe", "--auth=trust", "--no-sync"]
        subprocess.run(demoted(command), check=True, **_QUIET)  # type: ignore[call-overload]
        self.start()
        psql = [str(self._binaries / "createdb"), "-h", "127.0.0.1", "-p", str(self._port), "-U", "lethe", "lethe"]
        subprocess.run(psql, check=True, **_QUIET)  # type: ignore[call-overload]

    @property
    def url(self) -> str:
        return f"postgresql://lethe@127.0.0.1:{self._port}/lethe"

    def start(self) -> None:
        options = f"-p {self._port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self._folder}"
        self._control("-w", "-t", "300", "-o", options, "start")

    def crash(self) -> None:
        """End at once, without a checkpoint."""
        self._control("-m", "immediate", "stop")

    def close(self) -> None:
        self._control("-m", "immediate", "stop", check=False)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _control(self, *arguments: str, check: bool = True) -> None:
        command = [str(self._binaries / "pg_ctl"), "-D", str(self._folder / "cluster"), *arguments]
        subprocess.run(demoted(command), check=check, **_QUIET)  # type: ignore[call-overload]


class Redis:
    """A server without persistence: a restart forgets every message."""

    def __init__(self) -> None:
        self._port = free_port()
        self._folder = tempfile.mkdtemp(prefix="lethe-chaos-redis-")
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._port}/0"

    def start(self) -> None:
        options = ["--port", str(self._port), "--bind", "127.0.0.1", "--save", "", "--dir", self._folder]
        self._process = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)
        wait_for_port(self._port)

    def crash(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def flush(self) -> None:
        import redis

        with redis.Redis.from_url(self.url) as client:
            client.flushall()

    def close(self) -> None:
        self.crash()
        shutil.rmtree(self._folder, ignore_errors=True)
