"""Wheel and sdist, built and installed into fresh environments: what comes along, and that each part of Lethe works."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.parser import Parser
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from uv import find_uv_bin

from lethe.evaluator.metrics import Pool, evaluate
from tests.integration.test_bench import SPECIFICATION

ROOT = Path(__file__).parents[2]
MOST_DEPENDENCIES = 12
MOST_BYTES = 260_000_000
SHARED = {
    "httpcore",
    "markdown-it-py",
}  # httpx and rich bring them; the extras name them because their code imports them

pytestmark = pytest.mark.timeout(900)


@dataclass(frozen=True)
class Installed:
    """A fresh environment with Lethe in it, and a home folder of its own."""

    folder: Path

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """`lethe …` or `python …` of this environment, far from the checkout."""
        program, *arguments = command
        variables = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}
        return subprocess.run(
            [self.folder / "bin" / program, *arguments], env=variables | {"LETHE_HOME": str(self.folder / "home")},
            cwd=self.folder, text=True, capture_output=True, check=False, timeout=600,
        )  # fmt: skip

    def packages(self) -> set[str]:
        """Normalised names of the installed distributions."""
        listed = uv("pip", "list", "--python", str(self.folder), "--format", "json")
        return {canonicalize_name(each["name"]) for each in json.loads(listed)}

    def size_bytes(self) -> int:
        """Bytes of all files; a file that several names share counts once."""
        files = {status.st_ino: status for path in self.folder.rglob("*") if (status := path.lstat())}
        return sum(status.st_size for status in files.values())


def uv(*arguments: str) -> str:
    done = subprocess.run([find_uv_bin(), *arguments], text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The wheel, which is built from the sdist, and the sdist, by their suffixes."""
    folder = tmp_path_factory.mktemp("built")
    uv("build", "--quiet", "--out-dir", str(folder), str(ROOT))
    return {".whl": next(folder.glob("*.whl")), ".gz": next(folder.glob("*.tar.gz"))}


@pytest.fixture(scope="module")
def install(built: dict[str, Path]) -> Iterator[Callable[..., Installed]]:
    made = []

    def fresh(extras: str = "", suffix: str = ".whl") -> Installed:
        folder = Path(tempfile.mkdtemp(prefix="lethe-installed-"))  # guests cannot read pytest's own folders
        made.append(folder)
        folder.chmod(0o755)
        uv("venv", "--quiet", "--allow-existing", "--python", sys.executable, str(folder))
        lock = str(ROOT / "requirements.lock")
        uv("pip", "install", "--quiet", "--python", str(folder), "--constraint", lock, f"{built[suffix]}{extras}")
        return Installed(folder)

    yield fresh
    for folder in made:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def requirements(built: dict[str, Path]) -> dict[str, set[str]]:
    """Direct dependencies of the base (under an empty name) and of each extra."""
    with zipfile.ZipFile(built[".whl"]) as wheel:
        name = next(name for name in wheel.namelist() if name.endswith("/METADATA"))
        metadata = Parser().parsestr(wheel.read(name).decode())
    found: dict[str, set[str]] = {extra: set() for extra in ("", *metadata.get_all("Provides-Extra", []))}
    for line in metadata.get_all("Requires-Dist", []):
        wanted = Requirement(line)
        for extra, names in found.items():
            marker = wanted.marker
            if (marker is None and not extra) or (marker is not None and extra and marker.evaluate({"extra": extra})):
                names.add(canonicalize_name(wanted.name))
    return found


def test_the_wheel_brings_one_package_with_all_parts(built: dict[str, Path]) -> None:
    with zipfile.ZipFile(built[".whl"]) as wheel:
        names = wheel.namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"lethe", "lethe_unlearning"}
    parts = {name.split("/")[1] for name in names if name.count("/") > 1 and name.startswith("lethe/")}
    assert parts == {"attacks", "baselines", "evaluator", "migrations", "sandbox", "server"}
    for name in (
        "lethe/py.typed",
        "lethe/server/pages/static/site.css",
        "lethe/evaluator/contract/specifications/demo.toml",
        "lethe/server/hosting/archive_readme.md",
    ):
        assert name in names


def test_the_base_is_light_and_scores(
    install: Callable[..., Installed], requirements: dict[str, set[str]], tmp_path: Path
) -> None:
    base = install()
    assert len(requirements[""]) <= MOST_DEPENDENCIES
    surprises = set().union(*(names for extra, names in requirements.items() if extra)) - requirements[""] - SHARED
    assert not base.packages() & surprises
    assert base.size_bytes() < MOST_BYTES
    draw = np.random.default_rng(1).normal
    unlearned, retrained = draw(0.5, 1, (16, 4)), draw(0, 1, (16, 4))
    np.savez(tmp_path / "outputs.npz", unlearned=unlearned, retrained=retrained)
    expected = evaluate(Pool(margins=unlearned), Pool(margins=retrained)).final_score
    program = (
        f"import lethe; pools = lethe.read_pools({str(tmp_path / 'outputs.npz')!r}); "
        "print(repr(lethe.score(pools.unlearned, pools.retrained).final_score))"
    )
    told = base.run("python", "-c", program)
    assert float(told.stdout) == expected, told.stderr
    told = base.run("lethe", "score", str(tmp_path / "outputs.npz"), "--json")
    assert json.loads(told.stdout)["final_score"] == expected
    told = base.run("lethe", "competitions", "--server", "http://127.0.0.1:9")
    assert "cannot reach http://127.0.0.1:9" in told.stderr
    for command, extra in (
        ("serve", "server"),
        ("check x.py", "worker"),
        ("admin users", "server"),
        ("demo", "server,worker"),
    ):
        told = base.run("lethe", *command.split())
        assert (told.returncode, told.stderr.count("\n")) == (1, 1), told.stderr
        assert f"pip install '.[{extra}]'" in told.stderr
    assert base.run("lethe", "doctor").returncode in {0, 1}


def test_the_sdist_installs_the_same(install: Callable[..., Installed]) -> None:
    told = install(suffix=".gz").run("python", "-c", "import lethe; print(lethe.score.__module__, lethe.__version__)")
    assert told.stdout.split()[0] == "lethe.evaluator.metrics.score", told.stderr


def test_the_server_starts_from_its_extra(install: Callable[..., Installed]) -> None:
    server = install("[server]")
    assert not server.packages() & {"torch", "torchvision", "uv", "pyseccomp", "pandas"}
    assert server.run("lethe", "migrate").returncode == 0
    told = server.run("lethe", "admin", "worker-key", "create", "one", "--json")
    assert told.returncode == 0, told.stderr
    told = server.run("python", "-c", "import lethe.server.app, lethe.server.control.process")
    assert (told.returncode, told.stderr) == (0, "")
    told = server.run("lethe", "doctor", "--json")
    assert told.returncode == 0, told.stdout + told.stderr
    found = {finding["name"]: finding for finding in json.loads(told.stdout)["findings"]}
    assert "no torch" in found["sandbox"]["detail"]
    assert found["database"]["ok"]
    told = server.run("lethe", "doctor", "--production", "--json")
    assert told.returncode == 1, told.stdout + told.stderr
    found = {finding["name"]: finding for finding in json.loads(told.stdout)["findings"]}
    assert found["registration"]["remedy"].startswith("decide: LETHE_REGISTRATION")
    assert found["worker keys"]["detail"] == "one"


@pytest.mark.component("bubblewrap")
def test_a_file_is_checked_from_the_workers_extra(install: Callable[..., Installed]) -> None:
    worker = install("[worker]")
    assert not worker.packages() & {"fastapi", "uvicorn", "sqlalchemy", "alembic", "psycopg", "argon2-cffi"}
    (worker.folder / "tiny.toml").write_text(SPECIFICATION)
    assert worker.run("lethe", "init", "mine.py").returncode == 0
    told = worker.run("lethe", "check", "mine.py", "--spec", "tiny.toml", "--no-score", "--json")
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout)["fault"] is None
