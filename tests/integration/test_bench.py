"""`lethe bench` for real: trained oracles, sandboxed runs, results in every form; a second call runs nothing.

It is killed in each of its stages and goes on from there; the last call is `lethe.bench`.
"""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from lethe import Progress, bench
from lethe.evaluator.measures.registry import measure_of
from tests.commands import run_lethe

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

pytestmark = [pytest.mark.component("bubblewrap"), pytest.mark.usefixtures("kept_image"), pytest.mark.timeout(900)]


def lethe(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run_lethe(*arguments, cwd=folder, environment=os.environ | {"LETHE_HOME": str(folder / "home")})


def records(folder: Path) -> dict[Path, int]:
    """What is stored of runs, and when it was written."""
    return {path: path.stat().st_mtime_ns for path in (folder / "home/artifacts/bench").rglob("*.json")}


def trained(folder: Path) -> int:
    """How many models are stored."""
    return len(list((folder / "home/artifacts/banks").rglob("records/*.json")))


def stop_when(folder: Path, has_come: Callable[[], bool], number: signal.Signals = signal.SIGKILL) -> tuple[int, str]:
    """Start the sweep, and send the signal to it and all its processes at the moment; return its code and stderr."""
    with subprocess.Popen(
        ["env", "--default-signal=INT", sys.executable, "-m", "lethe.server.cli", "bench", "sweep.toml"],
        env=os.environ | {"LETHE_HOME": str(folder / "home")},
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=folder, start_new_session=True,
    ) as process:  # fmt: skip
        while not has_come():
            assert process.poll() is None, "the sweep ended before it was stopped"
            time.sleep(0.01)
        os.killpg(process.pid, number)
        assert process.stderr is not None
        said = process.stderr.read()
    return process.returncode, said


def test_sweep(tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(SPECIFICATION)
    (tmp_path / "sweep.toml").write_text(SWEEP)
    (tmp_path / "broken.py").write_text(BROKEN)
    (tmp_path / "page.md").write_text("# Page\n<!-- results: start -->\n<!-- results: end -->\n")
    stop_when(tmp_path, lambda: trained(tmp_path) > 0)
    models = trained(tmp_path)
    code, said = stop_when(tmp_path, lambda: trained(tmp_path) > models + 3, signal.SIGINT)
    assert (code, said.splitlines()[-1]) == (130, "What is done is kept. To go on, repeat the command.")
    stop_when(tmp_path, lambda: len(records(tmp_path)) >= 3)
    before = records(tmp_path)
    assert 3 <= len(before) < 16
    stop_when(tmp_path, lambda: len(records(tmp_path)) == 16)
    result = lethe(
        tmp_path, "bench", "sweep.toml", "--out", "results", "--block", "page.md", "--against", "noop", "--json"
    )
    assert result.returncode == 1, result.stderr  # a method failed
    rows = {row["method"]: row for row in json.loads(result.stdout)}
    assert set(rows) == {"ceiling", "floor", "noop", "finetune (EPOCHS=1)", "broken"}
    assert rows["broken"]["fault"] == "exception in line 2: ValueError: no idea"
    assert rows["noop"]["measures"]["final_score"] == rows["floor"]["measures"]["final_score"]
    assert rows["finetune (EPOCHS=1)"]["constants"] == {"EPOCHS": 1}
    assert rows["finetune (EPOCHS=1)"]["measures"]["wall_time"]["value"] > 0
    with (tmp_path / "results/results.csv").open() as file:
        assert csv.Sniffer().sniff(file.read()).delimiter == ","  # as a spreadsheet guesses
        file.seek(0)
        assert [line["method"] for line in csv.DictReader(file)] == [row["method"] for row in json.loads(result.stdout)]
    written = (tmp_path / "results/results.md").read_text()
    assert "| noop |" in written
    assert "Not to be told apart from `noop`" in written
    assert "![Forgetting against utility](pareto.svg)" in written
    assert "finetune (EPOCHS=1)" in (tmp_path / "results/pareto.svg").read_text()
    assert r"\bottomrule" in (tmp_path / "results/results.tex").read_text()
    assert rows["finetune (EPOCHS=1)"]["against"]["reference"] == "noop"
    assert rows["noop"]["against"] is None
    with (tmp_path / "results/runs.csv").open() as file:
        runs = list(csv.DictReader(file))
    expected = [(name, f"{run}") for name in ("finetune (EPOCHS=1)", "noop") for run in range(8)]
    assert sorted((line["method"], line["run"]) for line in runs) == expected
    assert float(runs[0]["wall time (s)"]) > 0
    assert float(runs[0]["peak memory (MiB)"]) > 0
    provenance = json.loads((tmp_path / "results/provenance.json").read_text())
    assert sorted(provenance["run_seeds"]) == sorted({int(line["seed"]) for line in runs})
    assert provenance["rule"]["rule"] == "competition"
    assert (tmp_path / "home/artifacts/banks" / provenance["bank_digest"]).is_dir()
    assert "| noop |" in (tmp_path / "page.md").read_text()

    after = records(tmp_path)
    assert len(after) == 16
    assert before.items() <= after.items()
    stored = sorted(after)
    stored[0].unlink()  # its run is done again, and comes out the same
    times = {path: after[path] for path in stored[1:]}
    seen: list[Progress] = []
    repeated = {row.name: row for row in bench(tmp_path / "sweep.toml", home=tmp_path / "home", progress=seen.append)}
    assert [one.stage for one in seen if one.done == one.total][-1] == "measures"
    assert next(one for one in reversed(seen) if one.stage == "runs").total == 16
    assert repeated["broken"].score is None
    assert repeated["broken"].fault == rows["broken"]["fault"]
    assert stored[0].exists()
    assert times.items() <= records(tmp_path).items()
    for name, row in rows.items():
        for key, value in row["measures"].items():
            if measure_of(key).question != "What did it cost?":
                assert asdict(repeated[name].measures[key]) == value, (name, key)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--against", "scrub"), "lethe: there is no method 'scrub' to compare with; there are: noop; ceiling; floor"),
        (("--mlflow", "notes.txt"), "lethe: --mlflow notes.txt: "),
        (("--out", "notes.txt"), "--out notes.txt: File exists"),
        (("--bank", "models"), "lethe: models/bank.json is missing: name a folder that this version's lethe admin"),
    ],
)
def test_mistakes_are_said_before_the_work(tmp_path: Path, arguments: tuple[str, ...], sentence: str) -> None:
    (tmp_path / "sweep.toml").write_text('[[methods]]\nfile = "noop"\n')
    (tmp_path / "notes.txt").write_text("mine")
    result = lethe(tmp_path, "bench", "sweep.toml", *arguments)
    assert result.returncode != 0
    assert sentence in result.stderr
    assert not (tmp_path / "home/artifacts").exists()


def test_mistakes_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "sweep.toml").write_text('[[methods]]\nfile = "absent.py"\n')
    result = lethe(tmp_path, "bench", "sweep.toml")
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert "lethe: cannot read absent.py" in result.stderr
