"""Where the interpreter's environment lies must not matter: guests see another /tmp than the host."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lethe.sandbox import Setup, Status, open_sandbox

pytestmark = pytest.mark.component("bubblewrap")

HARNESS = """
from lethe.sandbox.guest import define

def load(inputs):
    return None

def run(context, source, filename, function, seed):
    return define(source, filename, function)()
"""


@pytest.fixture
def python_below_tmp() -> Iterator[Path]:
    """An interpreter whose environment, with one module of its own, lies in a folder below /tmp."""
    with tempfile.TemporaryDirectory(prefix="lethe-environment-") as folder:
        Path(folder).chmod(0o755)
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", f"{folder}/env"], check=True)
        (site,) = Path(folder, "env", "lib").glob("python*/site-packages")
        (site / "imported_late.py").write_text("VALUE = b'found'\n")
        yield Path(folder, "env", "bin", "python")


def test_modules_are_found_when_the_guest_imports_them(python_below_tmp: Path, tmp_path: Path) -> None:
    harness = tmp_path / "plain.py"
    harness.write_text(HARNESS)
    setup = Setup(harness={"plain.py": harness}, harness_module="plain", python=python_below_tmp)
    source = b"def f():\n    import imported_late\n    return imported_late.VALUE\n"
    with open_sandbox(setup) as sandbox:
        result = sandbox.run(source, function="f", seed=0)
    assert (result.status, result.payload) == (Status.OK, b"found"), result
