"""What the API carries: uploads a second on PostgreSQL, beside a bare Starlette endpoint in the same run.

One uvicorn process each, asked by threads of one other process over kept connections; every upload is another file.
Run it with nothing else on the machine: `python -m benchmarks.api [--uploads 500] [--threads 16]`.
"""

import argparse
import contextlib
import http.client
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg

from server.competitions import service
from server.context import create_context
from server.db import utc_now
from server.migrate import migrate
from server.settings import Settings
from tests.conftest import free_port, running_postgres, wait_for_port
from tests.integration.server.conftest import GOOD, SLUG, prepare_dossier, spec

BARE = """
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route


async def upload(request):
    async with request.form() as form:
        return JSONResponse({"bytes": len(await form["file"].read())}, status_code=202)


app = Starlette(routes=[Route("/upload", upload, methods=["POST"])])
"""
LETHE = """
from server.app import create_app
from server.logs import configure_logs
from server.settings import Settings

settings = Settings()
configure_logs(level=settings.log_level, log_format=settings.log_format)
app = create_app(settings)
"""
BOUNDARY = "----benchmark"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uploads", type=int, default=500, help="uploads to each server")
    parser.add_argument("--threads", type=int, default=16, help="uploads at the same time, each from its own account")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with running(BARE, home / "bare.py", {}) as port:
            bare = measure(arguments.uploads, arguments.threads, upload_to(port, "/upload", [{}]))
        row("bare Starlette endpoint", bare)
        with running_postgres(fsync="on") as url, lethe(home, url) as (port, tokens):
            headers = [{"Authorization": f"Bearer {token}"} for token in tokens[: arguments.threads]]
            path = f"/api/v1/competitions/{SLUG}/submissions"
            measure(len(headers), arguments.threads, upload_to(port, path, headers, marker="warm"))
            times = measure(arguments.uploads, arguments.threads, upload_to(port, path, headers))
        row("uploads to Lethe", times)
        print(f"{'ratio of the rates':<28} {rate(times) / rate(bare):8.3f}")


def rate(times: tuple[float, list[float]]) -> float:
    """Requests a second of `measure`'s answer."""
    return len(times[1]) / times[0]


def row(name: str, times: tuple[float, list[float]]) -> None:
    """One line of the table."""
    ordered = sorted(times[1])
    print(
        f"{name:<28} {rate(times):8.1f} a second   median {1e3 * statistics.median(ordered):7.1f} ms   "
        f"99th percentile {1e3 * ordered[int(0.99 * (len(ordered) - 1))]:7.1f} ms"
    )


def measure(count: int, threads: int, request: Callable[[int], None]) -> tuple[float, list[float]]:
    """Seconds of `count` requests made by `threads` threads, and the seconds of each."""

    def timed(number: int) -> float:
        started = time.perf_counter()
        request(number)
        return time.perf_counter() - started

    started = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        each = list(pool.map(timed, range(count)))
    return time.perf_counter() - started, each


def upload_to(port: int, path: str, headers: list[dict[str, str]], marker: str = "") -> Callable[[int], None]:
    """A request that uploads a file of its own over a connection kept by its thread; raises unless it is taken."""
    connections: dict[int, http.client.HTTPConnection] = {}
    from threading import get_ident

    def request(number: int) -> None:
        connection = connections.setdefault(get_ident(), http.client.HTTPConnection("127.0.0.1", port, timeout=60))
        body = (
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.py"\r\n\r\n'
            f"{GOOD.decode()}# {marker}{number}\r\n--{BOUNDARY}--\r\n"
        )
        kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        connection.request("POST", path, body.encode(), kind | headers[number % len(headers)])
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 202:
            raise RuntimeError(f"{answer.status}: {text.decode()[:300]}")

    return request


@contextlib.contextmanager
def lethe(home: Path, postgres: str) -> Iterator[tuple[int, list[str]]]:
    """A server on PostgreSQL with an open competition without quotas: its port, and tokens of 32 accounts."""
    with psycopg.connect(f"{postgres}/postgres", autocommit=True) as connection:
        connection.execute("CREATE DATABASE lethe")
    settings = {
        "LETHE_HOME": str(home / "home"), "LETHE_DATABASE_URL": f"{postgres}/lethe", "LETHE_LOG_LEVEL": "WARNING",
        "LETHE_RATE_PER_ADDRESS": "", "LETHE_RATE_PER_TOKEN": "", "LETHE_ATTEMPTS_PER_ADDRESS": "0",
    }  # fmt: skip
    context = create_context(Settings(home=home / "home", database_url=f"{postgres}/lethe"))  # type: ignore[arg-type]
    migrate(context.database)
    prepared = prepare_dossier(context)
    with context.database.write() as session:
        service.create(session, spec(), prepared).opened_at = utc_now()
    context.database.dispose()
    with running(LETHE, home / "lethe_app.py", settings) as port:
        yield port, [register(port, f"user{number}") for number in range(32)]


def register(port: int, name: str) -> str:
    """The token of a new account."""
    import httpx

    body = {"username": name, "email": f"{name}@example.org", "password": "correct horse"}
    answer = httpx.post(f"http://127.0.0.1:{port}/api/v1/users", json=body, timeout=60)
    token: str = answer.raise_for_status().json()["token"]
    return token


@contextlib.contextmanager
def running(program: str, path: Path, environment: dict[str, str]) -> Iterator[int]:
    """The port of one uvicorn process that serves `program`."""
    path.write_text(program, encoding="utf-8")
    port = free_port()
    options = ["--port", str(port), "--log-level", "warning", "--no-access-log", "--app-dir", str(path.parent)]
    process = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", f"{path.stem}:app", *options], env={**os.environ, **environment}
    )
    try:
        wait_for_port(port, limit_s=60)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=30)


if __name__ == "__main__":
    main()
