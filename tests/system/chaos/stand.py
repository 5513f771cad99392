"""The installation that the chaos test torments: API, control and workers on PostgreSQL and Redis."""

import contextlib
import os
import signal
import sys
import threading
import time
from pathlib import Path

import httpx
from sqlalchemy import text

from lethe.evaluator.contract.specification_file import load_specification
from lethe.server.cli.supervisor import Supervisor
from lethe.server.context import Context
from lethe.server.hosting import creation
from lethe.server.queue.worker_keys import create_worker_key
from lethe.server.settings import Settings
from tests.conftest import LIGHT_WORKERS, free_port
from tests.system.chaos.meddler import Meddler
from tests.system.chaos.services import Postgres, Redis

SLUG = "chaos"
RUNS = 8
CHUNK_RUNS = 3
SLOTS = 1
LEASE_S = 6.0
FORK_SERVER = "lethe.sandbox.zygote"
INFERENCE = "lethe.evaluator.inference.child"
# Uploads of one kind differ in a string only, and have to give the same scores; since rule 2 they would have seeds of
# their own.
EQUAL_SEEDS = (
    "CREATE FUNCTION equal_seeds() RETURNS trigger AS 'BEGIN NEW.seed_rule := 1; RETURN NEW; END' LANGUAGE plpgsql",
    "CREATE TRIGGER equal_seeds BEFORE INSERT ON submissions FOR EACH ROW EXECUTE FUNCTION equal_seeds()",
)


class Stand:
    """Everything running, from construction to `close`. The competition is open; `context` looks into the database."""

    def __init__(
        self, home: Path, artifacts: Path, cache: Path, specification: Path, *, seed: int, workers: int
    ) -> None:
        self.workers = tuple(f"worker{number + 1}" for number in range(workers))
        self.postgres, self.redis = Postgres(), Redis()
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        given = {"home": home, "database_url": self.postgres.url, "broker_url": self.redis.url}
        settings = Settings(**given, artifacts_url=f"file://{artifacts}")
        self.context: Context = creation.open_context(settings, makes_site=True)
        creation.create(self.context, load_specification(specification), jobs=1, progress=lambda _: None)
        creation.open_competition(self.context, SLUG)
        with self.context.database.write() as session:
            key = create_worker_key(session, "chaos")
            for statement in EQUAL_SEEDS:
                session.execute(text(statement))
        self.meddler = Meddler(self.url, seed=seed, late_s=LEASE_S + 1.5)
        shared = {name: value for name, value in os.environ.items() if not name.startswith("LETHE_")} | {
            "LETHE_HOME": str(home),
            "LETHE_PORT": str(port),
            "LETHE_DATABASE_URL": self.postgres.url,
            "LETHE_BROKER_URL": self.redis.url,
            "LETHE_ARTIFACTS_URL": f"file://{artifacts}",
            "LETHE_LEASE_S": str(LEASE_S),
            "LETHE_SWEEP_S": "2",
            "LETHE_MAX_ATTEMPTS": "10",  # ample: what has nothing wrong with it is to be scored
            "LETHE_LOG_LEVEL": "WARNING",
            "LETHE_RATE_PER_ADDRESS": "",
            "LETHE_RATE_PER_TOKEN": "",
        }
        worker = {
            "LETHE_SERVER_URL": self.meddler.url,
            "LETHE_WORKER_KEY": key,
            "LETHE_DATABASE_URL": "",
            "LETHE_CACHE": str(cache),
            "LETHE_SLOTS": str(SLOTS),
            **LIGHT_WORKERS,
        }
        self._supervisor = Supervisor(shared)
        for name in ("serve", "control"):
            self._supervisor.start(name, [sys.executable, "-m", "lethe.server.cli", name])
        for name in self.workers:
            self._supervisor.start(name, [sys.executable, "-m", "lethe.server.cli", "worker"], environment=worker)
        self._closing = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    def close(self) -> None:
        self._closing.set()
        self._watcher.join()
        self._supervisor.stop()
        self.meddler.close()
        self.context.database.dispose()
        self.redis.close()
        self.postgres.close()

    def _watch(self) -> None:
        while not self._closing.wait(0.2):
            self._supervisor.watch()

    def client(self, name: str) -> httpx.Client:
        """A client with the token of a new account."""
        body = {"username": name, "email": f"{name}@example.org", "password": "correct horse"}
        answer = httpx.post(f"{self.url}/api/v1/users", json=body, timeout=60)
        assert answer.status_code == 201, answer.text
        headers = {"Authorization": f"Bearer {answer.json()['token']}"}
        return httpx.Client(base_url=f"{self.url}/api/v1", headers=headers, timeout=60)

    def kill(self, name: str) -> bool:
        """Whether there was a process of that name to be killed."""
        return _kill(self._supervisor.pids()[name])

    def kill_below(self, name: str, part: str) -> bool:
        """Kill a process that `name` started and whose command line has `part` in it."""
        found = [pid for pid in _descendants(self._supervisor.pids()[name]) if part in _command(pid)]
        return bool(found) and _kill(found[0])

    def wait_until_up(self, limit_s: float = 240) -> None:
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200:
                    return
            time.sleep(0.2)
        raise TimeoutError(f"the API is not ready after {limit_s:.0f} s")


def _kill(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def _descendants(pid: int) -> list[int]:
    """All processes below `pid`, which the kernel lists by thread."""
    found: list[int] = []
    waiting = [pid]
    while waiting:
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{waiting.pop()}/task").iterdir():
                children = [int(child) for child in (task / "children").read_text().split()]
                found += children
                waiting += children
    return found


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
