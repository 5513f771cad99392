"""The site of docker-compose.yml in a real engine: started, used, upgraded and attacked as docs/operations.md says."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers.engine import CHECKOUT, Engine, running_engine
from tests.containers.images import provide_images
from tests.system.conftest import SLUG, SPECIFICATION

pytestmark = [pytest.mark.containers, pytest.mark.timeout(3600)]
PROJECT = "lethe-tests"
FILES = {"mini.toml": SPECIFICATION, "method.py": (CHECKOUT / "baselines" / "finetune.py").read_text()}


class Site:
    """The project's compose file, under a project name and with an environment file of the tests' own."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine = engine
        self.folder = engine.share or folder  # as this machine sees it
        self.seen = engine.inside if engine.share else folder  # as the engine sees it
        self.password = os.urandom(12).hex()
        self.variables = {"POSTGRES_PASSWORD": self.password}
        for name, text in FILES.items():
            (self.folder / name).write_text(text)

    def compose(self, *words: str, check: bool = True) -> str:
        lines = [f"{name}={value}" for name, value in self.variables.items()]
        (self.folder / "site.env").write_text("\n".join(lines))
        return self.engine.docker(
            "compose", "--project-name", PROJECT, "--env-file", f"{self.seen}/site.env", *words, check=check
        )

    def lethe(self, service: str, *words: str, check: bool = True, **environment: str) -> str:
        """One command of the command line, as `run` runs it."""
        return self.run(service, "lethe", *words, check=check, **environment)

    def run(self, service: str, *words: str, check: bool = True, **environment: str) -> str:
        """One command in a container of its own beside the running ones, with the files of the test at /files."""
        variables = [word for name, value in environment.items() for word in ("-e", f"{name}={value}")]
        more = ["--rm", "--no-deps", "-T", "-v", f"{self.seen}:/files:ro", *variables]
        return self.compose("--profile", "worker", "run", *more, service, *words, check=check)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_engine() as engine:
        provide_images(engine)
        site = Site(engine, tmp_path_factory.mktemp("site"))
        try:
            yield site
        finally:
            site.compose("--profile", "worker", "down", "--volumes", "--timeout", "30", check=False)


def test_a_site_starts_scores_and_survives_an_upgrade(site: Site) -> None:
    site.compose("up", "-d", "--build", "--wait", "serve", "control")
    printed = site.lethe("serve", "admin", "worker-key", "create", "worker-1")
    key = re.search(r"\blethew_\S+", printed)
    assert key, printed
    site.variables["LETHE_WORKER_KEY"] = key.group()
    site.compose("--profile", "worker", "up", "-d", "--build")

    database = f"postgresql://lethe:{site.password}@postgres/lethe"
    site.lethe("worker", "admin", "competition", "create", "/files/mini.toml", LETHE_DATABASE_URL=database)
    site.lethe("worker", "admin", "oracles", "seed", SLUG, LETHE_DATABASE_URL=database)
    site.lethe("serve", "admin", "calibrate", SLUG)
    site.lethe("serve", "admin", "competition", "open", SLUG)

    server = {"LETHE_SERVER": "http://serve:8000"}
    script = "lethe register --username ann --email ann@example.org --password 'correct horse' && "
    script += f"lethe submit /files/method.py -c {SLUG} --watch"
    assert "scored" in site.run("serve", "bash", "-c", script, **server)
    board = site.lethe("serve", "leaderboard", SLUG, "--json", **server)
    assert '"ann"' in board

    site.variables["LETHE_REGISTRATION"] = "closed"
    site.compose(
        "--profile", "worker", "up", "-d", "--build", "--force-recreate", "--wait", "serve", "control", "worker"
    )
    assert site.lethe("serve", "leaderboard", SLUG, "--json", **server) == board
    words = ("register", "--username", "bob", "--email", "bob@example.org", "--password", "correct horse")
    refused = site.lethe("serve", *words, check=False, **server)
    assert "closed" in refused, refused


def test_the_sandbox_in_the_worker_contains_every_attack(site: Site) -> None:
    """The corpus, run as the operator runs it, in the container as compose starts it."""
    words = ("exec", "-T", "worker", "lethe", "doctor", "--attacks", "--json")
    printed = site.compose("--profile", "worker", *words, check=False)
    found = json.loads(printed[printed.index('{"findings"') :])
    assert [one for one in found["findings"] if one["required"] and not one["ok"]] == []
    breached = [one for one in found["attacks"] if one["finding"] == "breached"]
    assert breached == []
    contained = [one for one in found["attacks"] if one["finding"] == "contained"]
    assert len(contained) > len(found["attacks"]) * 0.9, [one for one in found["attacks"] if one not in contained]
