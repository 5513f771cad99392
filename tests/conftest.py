"""Real components for the tests: each is started here, or the test is skipped; in CI a skip is a failure."""

import itertools
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from argon2 import PasswordHasher
from xdist.scheduler import LoadScopeScheduling

from lethe.sandbox import Setup
from lethe.sandbox.identity import identity_of
from lethe.sandbox.image import held_image
from lethe.sandbox.interpreter import find_interpreter
from lethe.server.security import passwords

VECTORS = Path(__file__).parent / "vectors"
POSTGRES_USER = "postgres"
# A dozen workers at once would keep four gigabytes each, and import for ten seconds whenever they open a sandbox.
LIGHT_WORKERS = {"LETHE_SHARED_IMAGE": "true", "LETHE_PRELOAD": "false"}
# Threads that compute together wait for each other by spinning. Where other processes want the cores too, two threads
# make less than half of what one makes.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def postgres_bin() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or [
        Path(path) for path in [shutil.which("initdb")] if path
    ]
    return found[-1].parent if found else None


PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def nginx() -> str | None:
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


COMPONENTS = {
    "nginx": lambda: nginx() is not None,
    "postgresql": lambda: postgres_bin() is not None,
    "pgbouncer": lambda: PGBOUNCER is not None,
    "redis": lambda: shutil.which("redis-server") is not None,
    "bubblewrap": lambda: shutil.which("bwrap") is not None,
    "chromium": lambda: shutil.which("chromium") is not None,
    "systemd-analyze": lambda: shutil.which("systemd-analyze") is not None,
    "promtool": lambda: shutil.which("promtool") is not None,
    "debootstrap": lambda: os.geteuid() == 0 and all(map(shutil.which, ("debootstrap", "nft", "ip"))),
    "jq": lambda: shutil.which("jq") is not None,
    "wrk": lambda: shutil.which("wrk") is not None,
    "gpu": lambda: Path("/dev/nvidia0").exists(),
}


def pytest_configure() -> None:
    """Make what every test does cheap: logged exceptions, clients of HTTP, threads, and the files that guests see.

    structlog's default prints the values of all locals, which can take minutes. httpx reads all certificates of the
    world for each client, 60 ms of a processor, although our servers speak HTTP; once is enough.
    """
    for name, value in {**LIGHT_WORKERS, **ONE_THREAD}.items():
        os.environ.setdefault(name, value)
    httpx._transports.default.create_ssl_context = cache(httpx._transports.default.create_ssl_context)
    *processors, _ = structlog.get_config()["processors"]
    renderer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*processors, renderer])


# The tests of such a folder share a server or a sandbox that takes long to start: one process runs all of them.
TOGETHER = ("tests/system/embedded/", "tests/integration/attacks/", "tests/integration/evaluation/")


class ByFileOrFolder(LoadScopeScheduling):
    """Gives each process whole files, or whole folders of TOGETHER."""

    def _split_scope(self, nodeid: str) -> str:
        return next((folder for folder in TOGETHER if nodeid.startswith(folder)), nodeid.split("::", 1)[0])


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFileOrFolder:
    return ByFileOrFolder(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests marked `one_database` run on PostgreSQL, and on SQLite among the long ones."""
    for item in items:
        parameters = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
        if item.get_closest_marker("one_database") and parameters.get("database_url") == "sqlite":
            item.add_marker("long")


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("component"):
        for name in marker.args:
            require_component(name)


def require_component(name: str) -> None:
    """Skip the test where `name` is not installed; in CI that is a failure, because it would prove nothing."""
    if not COMPONENTS[name]():
        message = f"{name} is not here (scripts/packages test installs what can be installed)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)


PORTS, PORTS_EACH = 20_000, 1_200
_next_port = itertools.count(random.randrange(PORTS_EACH))  # noqa: S311 - no secret


def free_port() -> int:
    """A TCP port that nothing listens on now.

    Each process of a test run has its own ports, below those that the kernel hands out: a port that was only looked at
    could be given to another process before the server that it is for listens on it.
    """
    first = PORTS + PORTS_EACH * (int(os.environ.get("PYTEST_XDIST_WORKER", "gw9").removeprefix("gw")) % 10)
    while True:
        port = first + next(_next_port) % PORTS_EACH
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port


def demoted(command: list[str]) -> list[str]:
    """`command` under PostgreSQL's own user where the tests run as root, which PostgreSQL refuses to do."""
    if os.getuid() != 0:
        return command
    return ["setpriv", f"--reuid={POSTGRES_USER}", f"--regid={POSTGRES_USER}", "--clear-groups", *command]


@contextmanager
def running_postgres(*, fsync: str = "off") -> Iterator[str]:
    """URL prefix of a throw-away PostgreSQL server, without the database's name; `fsync` as its setting."""
    binaries = postgres_bin()
    assert binaries is not None
    folder = Path(tempfile.mkdtemp(prefix="lethe-postgres-"))  # pytest's own are closed to PostgreSQL's user
    if os.getuid() == 0:
        shutil.chown(folder, POSTGRES_USER, POSTGRES_USER)
    port = free_port()
    cluster = folder / "cluster"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.STDOUT, "cwd": "/"}
    subprocess.run(
        demoted([str(binaries / "initdb"), "-D", str(cluster), "-U", "lethe", "--auth=trust", "--no-sync"]),
        check=True, **quiet,
    )  # fmt: skip
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync={fsync}"
    subprocess.run(
        demoted([str(binaries / "pg_ctl"), "-D", str(cluster), "-w", "-o", options, "start"]), check=True, **quiet
    )
    try:
        yield f"postgresql://lethe@127.0.0.1:{port}"
    finally:
        subprocess.run(
            demoted([str(binaries / "pg_ctl"), "-D", str(cluster), "-m", "immediate", "stop"]), check=False, **quiet
        )
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(autouse=True, scope="session")
def cheap_hashes() -> Iterator[None]:
    """argon2id with the least memory and time: many tests register somebody, and none is about the cost."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        yield


@pytest.fixture(scope="session")
def kept_image() -> Iterator[None]:
    """Keeps the files that guests see in memory between the sandboxes of a test run: copying 4 GB takes long."""
    require_component("bubblewrap")
    setup = Setup(harness={}, harness_module="none")
    identity = identity_of(setup)
    interpreter = find_interpreter(setup.python, identity)
    with held_image(interpreter, identity, with_packages=True, with_gpu=False, is_shared=True):
        yield


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL prefix of a real PostgreSQL server, without the database's name."""
    require_component("postgresql")
    with running_postgres() as url:
        yield url


@pytest.fixture
def postgres_url(postgres_server: str) -> str:
    """URL of a fresh, empty database."""
    return new_database(postgres_server)


def new_database(server: str) -> str:
    """Create an empty database on a PostgreSQL server and return its URL."""
    import psycopg

    name = f"lethe_{os.urandom(6).hex()}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"{server}/{name}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A fresh database, once of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'lethe.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a real Redis server."""
    require_component("redis")
    port = free_port()
    folder = tmp_path_factory.mktemp("redis")
    with listening(
        ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)], port
    ):
        yield f"redis://127.0.0.1:{port}/0"


@pytest.fixture(scope="session")
def s3_server() -> Iterator[dict[str, str]]:
    """The variables that lead to a real server of the S3 protocol."""
    port = free_port()
    with listening([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], port):
        yield {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "tests",
            "AWS_SECRET_ACCESS_KEY": "secret of the tests",
            "AWS_REGION": "us-east-1",
        }


@pytest.fixture
def s3_url(s3_server: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """URL of a prefix in a fresh bucket; the way to it is in the environment."""
    for name, value in s3_server.items():
        monkeypatch.setenv(name, value)
    return make_bucket(s3_server)


def make_bucket(s3_server: dict[str, str]) -> str:
    """URL of a prefix in a fresh bucket."""
    name = f"lethe-{os.urandom(6).hex()}"
    urllib.request.urlopen(urllib.request.Request(f"{s3_server['AWS_ENDPOINT_URL']}/{name}", method="PUT")).close()  # noqa: S310
    return f"s3://{name}/some/prefix"


@contextmanager
def listening(command: list[str], port: int) -> Iterator[None]:
    """A server for the time of the block, which begins when it listens on `port`."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for_port(port)
        yield
    finally:
        process.terminate()
        process.wait(timeout=60)


def sign_oneself(certificate: Path, key: Path) -> None:
    """Write a certificate for `localhost` that nobody else vouches for, and its key."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip


def wait_for_port(port: int, limit_s: float = 60.0) -> None:
    """Return once something listens on `port`."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError(f"nothing listens on port {port} after {limit_s:.0f} s")
