"""The servers that are compared: one uvicorn process each, without access logs."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg

from lethe.evaluator.contract.specification import QuotasSpec
from lethe.server.competitions import service
from lethe.server.context import Context, create_context
from lethe.server.database.migration import migrate
from lethe.server.hosting.calibration import calibrate
from lethe.server.models.times import utc_now
from lethe.server.settings import Settings
from tests.conftest import free_port, wait_for_port
from tests.integration.server.conftest import prepare_competition, spec

BARE = """
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

BOARD, PAGE = b"x" * {board}, b"x" * {page}


async def board(request):
    return Response(BOARD, media_type="application/json")


async def page(request):
    return Response(PAGE, media_type="text/html")


async def upload(request):
    async with request.form() as form:
        return JSONResponse({{"bytes": len(await form["file"].read())}}, status_code=202)


app = Starlette(routes=[Route("/board", board), Route("/page", page), Route("/upload", upload, methods=["POST"])])
"""
QUOTAS = QuotasSpec(submissions_per_day=0, submissions_total=0, in_flight=0, attempts_per_day=1_000_000)
TICKS_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Served:
    """A running server."""

    port: int
    pid: int

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def cpu_s(self) -> float:
        """Seconds of a processor that it has used, without its children."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(") ", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_S


def bare(path: Path, *, board: int = 1, page: int = 1) -> contextlib.AbstractContextManager[Served]:
    """The bare server, with boards of so many bytes; its program is written to `path`. It has the same event loop and
    the same parser of HTTP as Lethe.
    """
    path.write_text(BARE.format(board=board, page=page), encoding="utf-8")
    options = ["--log-level", "warning", "--no-access-log", "--app-dir", str(path.parent)]
    return _running("uvicorn", f"{path.stem}:app", "--loop", "uvloop", "--http", "httptools", *options)


@contextlib.contextmanager
def _running(module: str, *arguments: str, environment: dict[str, str] | None = None) -> Iterator[Served]:
    """A process that serves; it gets a free port as an option."""
    port = free_port()
    command = [sys.executable, "-m", module, *arguments, "--port", str(port)]
    process = subprocess.Popen(command, env={**os.environ, **(environment or {})})
    try:
        wait_for_port(port, limit_s=60)
        yield Served(port, process.pid)
    finally:
        process.terminate()
        process.wait(timeout=30)


def prepare(home: Path, postgres: str) -> Context:
    """An open competition on a new database; attempts are counted, but there are no quotas that end the load."""
    with psycopg.connect(f"{postgres}/postgres", autocommit=True) as connection:
        connection.execute("CREATE DATABASE lethe")
    context = create_context(Settings(home=home / "home", database_url=f"{postgres}/lethe"))  # type: ignore[arg-type]
    migrate(context.database)
    prepared = prepare_competition(context)
    with context.database.write() as session:
        made = service.create(session, spec(quotas=QUOTAS), prepared)
        made.opened_at = utc_now()
    calibrate(context, made.slug)
    return context


def lethe(context: Context) -> contextlib.AbstractContextManager[Served]:
    """Lethe as it is run, but for the limits on how often one address and one token may ask."""
    settings = {
        "LETHE_HOME": str(context.settings.home), "LETHE_DATABASE_URL": context.settings.database,
        "LETHE_LOG_LEVEL": "WARNING", "LETHE_RATE_PER_ADDRESS": "", "LETHE_RATE_PER_TOKEN": "",
        "LETHE_ATTEMPTS_PER_ADDRESS": "0", "LETHE_RATE_PRACTICE": "",
    }  # fmt: skip
    return _running("lethe.server.cli", "serve", environment=settings)
