"""`lethe serve` under a low limit of open files: it refuses what it cannot hold, and goes on answering."""

import os
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from lethe.server.settings import Settings
from tests.conftest import free_port
from tests.integration.server.conftest import Template, upload

OPEN_FILES = 330
SERVE = f"""
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, ({OPEN_FILES}, {OPEN_FILES}))
from lethe.server.cli import app
from lethe.server.submissions import event_stream
event_stream.PER_ACCOUNT = event_stream.PER_ADDRESS = 10_000  # as many accounts would have, each some
app(["serve"])
"""


@pytest.fixture
def url(sqlite_template: Template, tmp_path: Path) -> Iterator[str]:
    """A server that may open `OPEN_FILES` files."""
    settings = Settings(home=tmp_path / "home", port=free_port())
    sqlite_template.copy_to(settings)
    environment = os.environ | {"LETHE_HOME": str(settings.home), "LETHE_PORT": str(settings.port)}
    environment |= {"LETHE_RATE_PER_ADDRESS": "", "LETHE_RATE_PER_TOKEN": ""}
    process = subprocess.Popen([sys.executable, "-c", SERVE], env=environment)
    try:
        await_health(settings.server_url)
        yield settings.server_url
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


def await_health(url: str) -> None:
    deadline = time.monotonic() + 120
    while True:
        try:
            assert httpx.get(f"{url}/healthz", timeout=60).status_code == 200
        except httpx.TransportError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        else:
            return


def asked_stream(url: str, path: str, token: str) -> tuple[socket.socket, bytes]:
    """A connection that has asked for a stream, and the head of the answer."""
    address = httpx.URL(url)
    connection = socket.create_connection((address.host, address.port or 80), timeout=60)
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
    return connection, connection.recv(65536)


def test_serve_outlives_more_streams_and_connections_than_it_may_open_files(url: str) -> None:
    account = {"username": "ann", "email": "ann@example.org", "password": "correct horse"}
    token = httpx.post(f"{url}/api/v1/users", json=account, timeout=60).json()["token"]
    with httpx.Client(base_url=f"{url}/api/v1", headers={"Authorization": f"Bearer {token}"}, timeout=60) as client:
        path = f"/api/v1/submissions/{upload(client).json()['id']}/events"
    answers: Counter[bytes] = Counter()
    with ExitStack() as held:
        for _ in range(OPEN_FILES + 10):
            connection, head = asked_stream(url, path, token)
            answers[head.split()[1]] += 1
            if b" 200 " in head:
                held.enter_context(connection)
            else:
                assert b"\r\nretry-after: 30\r\n" in head
                connection.close()
        assert answers.keys() == {b"200", b"503"}
        assert 40 <= answers[b"200"] < OPEN_FILES - 256
        assert httpx.get(f"{url}/healthz", timeout=60).status_code == 200
        assert f"lethe_streams {float(answers[b'200'])}" in httpx.get(f"{url}/metrics", timeout=60).text
        address = httpx.URL(url)
        for _ in range(OPEN_FILES + 10):
            held.enter_context(socket.create_connection((address.host, address.port or 80), timeout=60))
    await_health(url)
