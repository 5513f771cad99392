"""`lethe bench` for real: trained oracles, sandboxed runs, results in every form; a second call runs nothing."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SPECIFICATION = """
slug = "tiny"
title = "Tiny"
[data]
source = "synthetic-faces"
identities = 20
images_per_identity = 4
image_size = 16
classes = 3
[practice]
identities = 20
[split]
retain_sample = 30
[training]
epochs = 3
[evaluation]
batch_size = 16
[metric]
rule = "competition"
"""
SWEEP = """
title = "A test"
competition = "tiny.toml"
runs = 8
[[methods]]
file = "noop"
[[methods]]
file = "finetune"
constants = { EPOCHS = [1] }
[[methods]]
file = "broken.py"
"""
BROKEN = "def unlearning(net, retain, forget, validation):\n    raise ValueError('no idea')\n"

pytestmark = [pytest.mark.component("bubblewrap"), pytest.mark.timeout(900)]


def lethe(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "server.cli", *arguments],
        env=os.environ | {"LETHE_HOME": str(folder / "home")},
        text=True, capture_output=True, check=False, timeout=500, cwd=folder,
    )  # fmt: skip


def test_sweep(tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(SPECIFICATION)
    (tmp_path / "sweep.toml").write_text(SWEEP)
    (tmp_path / "broken.py").write_text(BROKEN)
    (tmp_path / "page.md").write_text("# Page\n<!-- results: start -->\n<!-- results: end -->\n")
    result = lethe(tmp_path, "bench", "sweep.toml", "--out", "results", "--block", "page.md", "--json")
    assert result.returncode == 1, result.stderr  # a method failed
    rows = {row["method"]: row for row in json.loads(result.stdout)}
    assert set(rows) == {"ceiling", "floor", "noop", "finetune (EPOCHS=1)", "broken"}
    assert rows["broken"]["fault"] == "exception in line 2: ValueError: no idea"
    assert rows["noop"]["measures"]["score"] == rows["floor"]["measures"]["score"]
    assert rows["finetune (EPOCHS=1)"]["constants"] == {"EPOCHS": 1}
    assert rows["finetune (EPOCHS=1)"]["measures"]["run time"]["mean"] > 0
    with (tmp_path / "results/results.csv").open() as file:
        assert [line["method"] for line in csv.DictReader(file)] == [row["method"] for row in json.loads(result.stdout)]
    assert "| noop |" in (tmp_path / "results/results.md").read_text()
    assert "| noop |" in (tmp_path / "page.md").read_text()

    stored = sorted((tmp_path / "home/artifacts/bench").rglob("*.json"))
    assert len(stored) == 16
    stored[0].unlink()  # as if the first call had been interrupted
    times = {path: path.stat().st_mtime_ns for path in stored[1:]}
    again = lethe(tmp_path, "bench", "sweep.toml", "--json")
    repeated = {row["method"]: row for row in json.loads(again.stdout)}
    assert stored[0].exists()
    assert times == {path: path.stat().st_mtime_ns for path in stored[1:]}
    for name, row in rows.items():
        for measure, estimate in row["measures"].items():
            if measure != "run time":
                assert repeated[name]["measures"][measure] == estimate, (name, measure)


def test_mistakes_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "sweep.toml").write_text('[[methods]]\nfile = "absent.py"\n')
    result = lethe(tmp_path, "bench", "sweep.toml")
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert "lethe: cannot read absent.py" in result.stderr
