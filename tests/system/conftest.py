"""Whole installations for system tests: real processes, real sandbox, a small competition that trains in seconds."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from lethe.evaluator.worker.self_test import require_self_test
from lethe.sandbox.doctor import mode
from tests.commands import run_lethe
from tests.conftest import LIGHT_WORKERS, free_port, make_bucket, new_database, require_component
from tests.integration.package_index import Index, open_folder

SLUG = "mini"
RUNS = 8
SPECIFICATION = f"""
slug = "{SLUG}"
title = "Mini"
[data]
source = "synthetic-faces"
seed = 0
identities = 40
images_per_identity = 8
classes = 4
[split]
seed = 0
[practice]
oracles = 0
[training]
epochs = 5
[evaluation]
runs = {RUNS}
oracles = {RUNS}
ceiling_oracles = {RUNS}
chunk_runs = 6
[audits]
runs = 2
epochs = 1
[metric]
rule = "competition"
[limits]
run_wall_s = 60
run_cpu_s = 6
output_bytes = 4194304
log_bytes = 16384
[leaks]
step_s = 0
[measures]
always = false
[quotas]
submissions_per_day = 0
in_flight = 0
attempts_per_day = 0
"""
WITHOUT_AUDITS = SPECIFICATION.replace("[audits]\nruns = 2", "[audits]\nruns = 0")
# The competition's secret is drawn at its creation; a fixed one makes the tests' scores repeatable.
SECRET = "5e" * 32
SHOWN_LINES = 80
_LOGS: set[Path] = set()


@dataclass
class Installation:
    """`lethe up` with everything it keeps in one folder."""

    home: Path
    port: int
    environment: dict[str, str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def lethe(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """One command of the command line."""
        return run_lethe(*arguments, cwd=self.home, environment=self.environment, check=check)

    def register(self, name: str) -> httpx.Client:
        body = {"username": name, "email": f"{name}@example.org", "password": "correct horse"}
        answer = httpx.post(f"{self.url}/api/v1/users", json=body, timeout=30)
        assert answer.status_code == 201, answer.text
        headers = {"Authorization": f"Bearer {answer.json()['token']}"}
        return httpx.Client(base_url=f"{self.url}/api/v1", headers=headers, timeout=60)


def submit(client: httpx.Client, source: str | bytes) -> dict[str, Any]:
    data = source.encode() if isinstance(source, str) else source
    answer = client.post(f"/competitions/{SLUG}/submissions", files={"file": ("submission.py", data)})
    assert answer.status_code in {200, 202}, answer.text
    view: dict[str, Any] = answer.json()
    return view


def wait(client: httpx.Client, identifier: str, limit_s: float = 400) -> dict[str, Any]:
    """The submission once it has ended."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        view: dict[str, Any] = client.get(f"/submissions/{identifier}").json()
        if view["state"] in {"scored", "failed", "cancelled"}:
            return view
        time.sleep(0.3)
    raise TimeoutError(f"{identifier} is still {view['state']} after {limit_s:.0f} s")


def _environment(home: Path, port: int, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LETHE_")}
    return {**kept, **LIGHT_WORKERS, "LETHE_HOME": str(home), "LETHE_PORT": str(port), **more}


def _prepare(installation: Installation, specification: str = SPECIFICATION) -> None:
    path = installation.home / "mini.toml"
    path.write_text(specification)
    installation.lethe("admin", "competition", "create", str(path))
    _fix_secret(installation)
    installation.lethe("admin", "oracles", "seed", SLUG)
    rows = {
        row["reference"]: row for row in json.loads(installation.lethe("admin", "calibrate", SLUG, "--json").stdout)
    }
    assert rows["floor"]["score"] == 0 < rows["ceiling"]["score"]
    installation.lethe("admin", "competition", "open", SLUG)


def _fix_secret(installation: Installation) -> None:
    from sqlalchemy import update

    from lethe.server.database.engine import Database
    from lethe.server.models import Competition
    from lethe.server.settings import Settings

    url = installation.environment.get("LETHE_DATABASE_URL", "")
    database = Database(Settings(home=installation.home, database_url=url).database)
    with database.write() as session:
        session.execute(update(Competition).values(secret=SECRET))
    database.dispose()


@pytest.fixture(autouse=True, scope="session")
def _kept_image(kept_image: None) -> None:
    """All of these tests start workers."""


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """The embedded default with the mini competition prepared, not running."""
    require_component("bubblewrap")
    return copy_of(prepared_home(tmp_path_factory.getbasetemp()), tmp_path_factory.mktemp("embedded"))


def copy_of(original: Path, home: Path, **more: str) -> Installation:
    """An installation with these variables, not running, in `home`, with everything that lies in `original`."""
    shutil.copytree(original, home, dirs_exist_ok=True)
    port = free_port()
    return Installation(home, port, _environment(home, port, **more))


def prepared_home(base: Path) -> Path:
    """What `prepared` is a copy of: trained and self-tested once for all processes of a test run."""
    home = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "prepared"
    finished = home / "finished"
    with home.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not finished.exists():
            shutil.rmtree(home, ignore_errors=True)
            home.mkdir()
            port = free_port()
            _prepare(Installation(home, port, _environment(home, port)))
            require_self_test(home / "cache" / "workers", sandbox_mode=mode(), allow_unsafe=False)
            finished.touch()
    return home


def share_self_test(home: Path, cache: Path) -> None:
    """Spares workers that keep their things in `cache` the self-test that has passed for an installation's `home`."""
    folder = cache / "workers"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    shutil.copy(home / "cache" / "workers" / "self-test", folder)


@pytest.fixture(scope="session")
def index() -> Iterator[Index]:
    """The package index of `embedded`, without packages."""
    with open_folder() as folder:
        yield Index(folder / "index")


@pytest.fixture(scope="session")
def embedded(prepared: Installation, index: Index) -> Iterator[Installation]:
    """SQLite, the filesystem broker and a local folder, running."""
    prepared.environment |= {"UV_DEFAULT_INDEX": index.url, "LETHE_LAYERS": str(index.root.with_name("layers"))}
    with running(prepared):
        yield prepared


@pytest.fixture(scope="session")
def production(
    prepared: Installation,
    postgres_server: str,
    redis_url: str,
    s3_server: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Installation]:
    """PostgreSQL, Redis and S3, by settings alone; the artifacts are the embedded one's, so nothing is trained."""
    more = {
        "LETHE_DATABASE_URL": new_database(postgres_server),
        "LETHE_BROKER_URL": redis_url,
        "LETHE_LOG_FORMAT": "json",
        **s3_server,
    }
    artifacts = _copy_artifacts(prepared, s3_server)
    home = tmp_path_factory.mktemp("production")
    share_self_test(prepared.home, home / "cache")
    installation = another_installation(home, free_port(), artifacts, **more)
    with running(installation):
        yield installation


def _copy_artifacts(prepared: Installation, s3_server: dict[str, str]) -> str:
    from lethe.evaluator.artifacts import open_store

    url = make_bucket(s3_server)
    with pytest.MonkeyPatch.context() as patched:
        for name, value in s3_server.items():
            patched.setenv(name, value)
        source, target = open_store(f"file://{prepared.home / 'artifacts'}"), open_store(url)
    for prefix in ("data", "banks"):
        for key in source.list(prefix):
            target.put(key, source.get(key))
    return url


def another_installation(home: Path, port: int, artifacts: str, **more: str) -> Installation:
    """An installation with these variables, not running, on artifacts that hold everything that has to be trained."""
    installation = Installation(home, port, _environment(home, port, LETHE_ARTIFACTS_URL=artifacts, **more))
    _prepare(installation, WITHOUT_AUDITS)
    return installation


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        for printed in sorted(_LOGS):
            if printed.exists() and printed.stat().st_mtime >= call.start:
                lines = printed.read_text(errors="replace").splitlines()[-SHOWN_LINES:]
                report.sections.append((f"end of {printed}", "\n".join(lines)))
    return report


@contextmanager
def running(installation: Installation) -> Iterator[subprocess.Popen[str]]:
    """`lethe up` for the time of the block. What it prints lies in `up.log` of its home, whose end a failed test shows:
    printed here, lines of one that runs for the whole session would turn up in the output of every test.
    """
    printed = installation.home / "up.log"
    _LOGS.add(printed)
    with printed.open("a") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "lethe.server.cli", "up"],
            env=installation.environment, text=True, cwd=installation.home,
            stdout=subprocess.DEVNULL, stderr=log,
        )  # fmt: skip
    try:
        _until(lambda: process.poll() is not None or _answers(installation.url))
        assert process.poll() is None, printed.read_text()
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=120)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=30).status_code == 200
    except httpx.HTTPError:
        return False


def _until(condition: Callable[[], bool], limit_s: float = 240) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "it did not start in time"
        time.sleep(0.1)
