"""An installation whose disk runs full, database and artifacts on it: uploads answer 507 and leave nothing behind."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from lethe.server.competitions import service
from lethe.server.context import create_context
from lethe.server.hosting import creation
from lethe.server.models.times import utc_now
from lethe.server.settings import Settings
from tests.conftest import free_port, wait_for_port
from tests.integration.server.conftest import GOOD, prepare_competition, spec, upload

pytestmark = pytest.mark.component("bubblewrap")

DISK_BYTES = 24 * 2**20
FREE_BYTES = 4 * 2**20
FILLER = "small/filler"
START = f"""
cp -r "$LETHE_HOME" /small/home && export LETHE_HOME=/small/home
free=$(df --output=avail -B1 /small | tail -1)
head -c $((free - {FREE_BYTES})) /dev/zero > /{FILLER}
exec "$0" -m server.cli serve
"""


class Disk:
    """What the server's own mount namespace shows of its small disk, from outside."""

    def __init__(self, pid: int) -> None:
        self.root = Path(f"/proc/{pid}/root")

    def make_room(self) -> None:
        (self.root / FILLER).unlink()

    def sources(self) -> list[Path]:
        folder = self.root / "small/home/artifacts"
        return [path for path in folder.rglob("*") if path.is_file() and b"'full" in path.read_bytes()]

    def leftovers(self) -> set[str]:
        """Folders and endings of all artifacts, by which a file that is no artifact would show."""
        folder = self.root / "small/home/artifacts"
        return {path.name for path in folder.rglob("*") if path.is_file() and "#" in path.name}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, Disk]]:
    """A server on SQLite with its home on a disk of its own that is nearly full, and that disk."""
    settings = Settings(home=tmp_path / "home", rate_per_address="", rate_per_token="")
    context = create_context(settings)
    creation.open_context(settings, makes_site=True)
    with context.database.write() as session:
        service.create(session, spec(), prepare_competition(context)).opened_at = utc_now()
    context.database.dispose()
    port = free_port()
    environment = os.environ | {"LETHE_HOME": str(settings.home), "LETHE_PORT": str(port)}
    jail = ["bwrap", "--dev-bind", "/", "/", "--size", str(DISK_BYTES), "--tmpfs", "/small", "--die-with-parent"]
    command = [*jail, "--chdir", str(Path.cwd()), "--", "bash", "-c", START, sys.executable]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as jailed:
        try:
            wait_for_port(port, 60)
            children = Path(f"/proc/{jailed.pid}/task/{jailed.pid}/children").read_text().split()
            yield f"http://127.0.0.1:{port}", Disk(int(children[0]) if children else jailed.pid)
        finally:
            jailed.terminate()


def test_a_disk_that_is_full_refuses_uploads_and_keeps_no_part_of_them(served: tuple[str, Disk]) -> None:
    url, disk = served
    with httpx.Client(base_url=f"{url}/api/v1", timeout=60) as client:
        account = client.post("/users", json={"username": "ann", "email": "a@example.org", "password": "correct horse"})
        assert account.status_code == 201, account.text
        client.headers["Authorization"] = f"Bearer {account.json()['token']}"
        accepted = 0
        while (answer := upload(client, GOOD + f"'full {accepted}'\n".encode() + b"#" * 100_000)).status_code == 202:
            accepted += 1
        assert (answer.status_code, answer.json()["code"]) == (507, "storage_full")
        assert 0 < accepted < 60
        assert len(client.get("/competitions/faces/submissions?limit=100").json()["items"]) == accepted
        # A file that the database had no room for may lie in the store, but whole.
        assert len(disk.sources()) in {accepted, accepted + 1}
        assert all(path.read_bytes().endswith(b"#" * 100_000) for path in disk.sources())
        assert disk.leftovers() == set()
        disk.make_room()
        assert upload(client, GOOD + b"'full, later'\n").status_code == 202
        assert len(client.get("/competitions/faces/submissions?limit=100").json()["items"]) == accepted + 1
