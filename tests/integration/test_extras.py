"""The package in examples/ is installed, without a network, and adds its source, measure and architecture to Lethe."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from uv import find_uv_bin

ROOT = Path(__file__).parents[2]
SPEC = """slug = "striped"
title = "Striped"
[data]
source = "installed"
reader = "stripes"
options = { people = 24 }
image_size = 16
classes = 2
[model]
architecture = "plain-cnn"
options = { width = 4 }
"""
PROGRAM = """
import json, sys
from pathlib import Path
import lethe
from lethe.evaluator.banks.network_check import NetworkTrial, try_network
from lethe.evaluator.data.sources import Files, load_collection
from lethe.evaluator.measures.registry import measures

spec = lethe.load_specification(sys.argv[1])
imported = "lethe_extras.plain_cnn" in sys.modules or "torch" in sys.modules
collection = load_collection(spec.with_seeds(lambda: 1), Files())
trial = NetworkTrial(spec.model.network.text, 2, 16, 8)
told = {
    "imported": imported,
    "source": spec.model.source,
    "images": [len(collection.hidden), len(collection.practice)],
    "weights": try_network(trial).facts.weights,
    "measure": measures()["worst_margin"].title,
}
print(json.dumps(told))
"""


@pytest.mark.slow
def test_a_package_adds_a_source_a_measure_and_an_architecture(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples/lethe-extras", tmp_path / "package")
    install = [
        "pip",
        "install",
        "--quiet",
        "--offline",
        "--no-deps",
        "--no-build-isolation",
        "--python",
        sys.executable,
    ]
    target = tmp_path / "installed"
    subprocess.run([find_uv_bin(), *install, "--target", str(target), str(tmp_path / "package")], check=True)
    (tmp_path / "spec.toml").write_text(SPEC + "[practice]\nidentities = 8\n")
    path = os.pathsep.join([str(target), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "spec.toml")],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["source"] == (ROOT / "examples/lethe-extras/lethe_extras/plain_cnn.py").read_text()
    assert not told["imported"]
    assert told["images"] == [16 * 6, 8 * 6]
    assert told["weights"] == 1_666
    assert told["measure"] == "Largest distance of mean margins"
