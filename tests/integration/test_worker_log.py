"""A worker says in its log, at the usual level, that its self-test has passed and how it isolates submissions."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import LIGHT_WORKERS, free_port

pytestmark = [pytest.mark.component("bubblewrap"), pytest.mark.usefixtures("kept_image"), pytest.mark.timeout(180)]


@pytest.mark.parametrize(
    ("backend", "options", "expected"),
    [
        ("bubblewrap-zygote", [], ("worker_ready", "sandbox_mode=bubblewrap-zygote+")),
        ("unsafe-subprocess", ["--allow-unsafe"], ("submissions_are_not_isolated", "sandbox_mode=unsafe-subprocess+")),
    ],
)
def test_the_mode_is_logged(backend: str, options: list[str], expected: tuple[str, ...], tmp_path: Path) -> None:
    environment = {
        **LIGHT_WORKERS,
        "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
        "HOME": str(tmp_path),
        "LETHE_SANDBOX_BACKEND": backend,
        "LETHE_SERVER_URL": f"http://127.0.0.1:{free_port()}",
        "LETHE_WORKER_KEY": "lethew_none",
        "LETHE_BROKER_URL": f"filesystem://{tmp_path}/broker",
        "LETHE_ARTIFACTS_URL": f"file://{tmp_path}/artifacts",
        "LETHE_CACHE": str(tmp_path / "cache"),
    }
    command = [sys.executable, "-m", "lethe.server.cli", "worker", *options]
    checkout = Path(__file__).resolve().parents[2]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment, cwd=checkout
    ) as worker:
        try:
            assert worker.stderr is not None
            said = []
            for line in worker.stderr:
                said.append(line)
                if all(word in line for word in expected):
                    break
            else:
                pytest.fail("".join(said))
            assert any("self_test_passed" in line for line in said)
        finally:
            worker.terminate()
            worker.communicate(timeout=60)
