"""docs/install.md, followed in an empty prefix: all but packages, users, services and the environment itself."""

import re
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from lethe.server.database.engine import Database
from lethe.server.database.migration import schema_fault
from lethe.server.settings import Settings
from tests.documented import ROOT, bash, commands, replaced

DOCUMENT = ROOT / "docs" / "install.md"
LEFT_OUT = (
    r"^(apt-get|useradd|systemctl|python3 -m venv|rm -rf dist|/opt/lethe/bin/|ln -sf /opt/lethe|nginx -t)"
    r".*\n|^as_lethe doctor.*\n"
)
"""The machine's own, and what tests/integration/test_distribution.py does: wheel and environment."""


def test_packages_of_the_guide_exist() -> None:
    packages = re.search(r"^apt-get install -y (.+)$", commands(DOCUMENT), re.MULTILINE)
    assert packages is not None
    if shutil.which("apt-cache") is None:
        pytest.skip("no apt-cache")
    for package in packages[1].split():
        known = subprocess.run(["apt-cache", "policy", package], capture_output=True, text=True, check=True).stdout
        if not known:
            pytest.skip("apt has no lists of packages")
        assert re.search(r"Candidate: \S*\d", known), package


@pytest.mark.component("postgresql")
def test_the_guide_makes_a_site(tmp_path: Path, postgres_server: str) -> None:
    server, name = urlsplit(postgres_server), f"lethe_{tmp_path.name[-12:]}_install".replace("-", "_")
    for folder in ("etc/systemd/system", "etc/nginx/conf.d", "usr/local/sbin"):
        (tmp_path / folder).mkdir(parents=True)
    script = replaced(
        commands(DOCUMENT),
        (LEFT_OUT, ""),
        (r"runuser -u (postgres|lethe) -- ", ""),
        (r" -o lethe -g lethe", ""),
        (r"CREATE ROLE lethe", f"CREATE ROLE {name}"),
        (r"--owner lethe (.*) lethe$", rf"--owner {name} \1 {name}"),
        (
            r"postgresql://lethe:\$password@127\.0\.0\.1/lethe",
            f"postgresql://{name}:$password@{server.netloc.split('@')[1]}/{name}",
        ),
        (r"(?<![\w/.])/(etc|opt|var|usr/local)/", rf"{tmp_path}/\1/"),
        (r"file:///var", f"file://{tmp_path}/var"),
    )
    environment = {
        "PGHOST": server.hostname or "",
        "PGPORT": str(server.port),
        "PGUSER": "lethe",
        "PGDATABASE": "postgres",
    }
    done = bash(f"PATH={tmp_path}/usr/local/sbin:$PATH\n{script}", tmp_path, environment)
    assert done.returncode == 0, done.stdout + done.stderr

    variables = dict(line.split("=", 1) for line in (tmp_path / "etc/lethe/server.env").read_text().splitlines())
    worker = dict(line.split("=", 1) for line in (tmp_path / "etc/lethe/worker.env").read_text().splitlines())
    assert {path.stat().st_mode & 0o077 for path in (tmp_path / "etc/lethe").glob("*.env")} == {0}
    assert worker["LETHE_WORKER_KEY"].startswith("lethew_")
    assert worker["LETHE_ARTIFACTS_URL"] == variables["LETHE_ARTIFACTS_URL"]
    settings = Settings(home=variables["LETHE_HOME"], database_url=variables["LETHE_DATABASE_URL"])
    database = Database(settings.database)
    assert schema_fault(database) is None
    database.dispose()
    with psycopg.connect(settings.database) as connection:
        assert connection.execute("SELECT username, is_operator FROM users").fetchall() == [("admin", True)]
    units = {path.name for path in (tmp_path / "etc/systemd/system").iterdir()}
    assert units == {path.name for path in (ROOT / "deploy/systemd").iterdir()} | {
        "lethe-worker.service.d",
        "lethe-backup.service.d",
    }
    assert (tmp_path / "etc/lethe/pages/away.html").stat().st_mode & 0o777 == 0o644
    assert "lethe.example.org" in (tmp_path / "etc/nginx/conf.d/lethe.conf").read_text()
