"""A worker whose key the server does not know says so and ends, whatever waits for messages at that moment."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import LIGHT_WORKERS
from tests.integration.server.conftest import Site

pytestmark = [pytest.mark.component("bubblewrap"), pytest.mark.usefixtures("kept_image"), pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shared, so that only the first worker has to pass a self-test."""
    return tmp_path_factory.mktemp("cache")


@pytest.mark.parametrize("broker", ["filesystem://{folder}/broker", "redis://127.0.0.1:9/0"])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_worker_with_a_wrong_key_ends_with_a_code_of_its_own(
    site: Site, broker: str, cache: Path, tmp_path: Path
) -> None:
    environment = {
        **LIGHT_WORKERS,
        "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
        "HOME": str(tmp_path),
        "LETHE_SANDBOX_BACKEND": "unsafe-subprocess",
        "LETHE_SERVER_URL": site.url,
        "LETHE_WORKER_KEY": "lethew_of-another-site",
        "LETHE_BROKER_URL": broker.format(folder=tmp_path),
        "LETHE_ARTIFACTS_URL": f"file://{tmp_path}/artifacts",
        "LETHE_CACHE": str(cache),
    }
    done = subprocess.run(
        [sys.executable, "-m", "lethe.server.cli", "worker", "--allow-unsafe"],
        env=environment, capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip
    assert done.returncode == 78, done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith(
        "lethe: the server does not accept this worker: /work/register answered 401: Unknown worker key."
    )
    assert last.endswith("lethe admin worker-key create NAME")
    assert "Traceback" not in done.stderr
