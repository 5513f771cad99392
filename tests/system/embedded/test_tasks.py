"""A host's own arrays, network and forget list to a revealed board with three tasks, as docs/hosting.md says."""

import csv
import io
import json
from pathlib import Path

import httpx
import numpy as np
import pytest

from tests.system.conftest import Installation, wait
from tests.system.embedded.test_own_data import FINE_TUNE

pytestmark = [pytest.mark.component("bubblewrap"), pytest.mark.long, pytest.mark.timeout(900)]

PEOPLE, EACH, RUNS = 48, 4, 16
NETWORK = """
from torch import nn


def build(classes):
    features = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten())
    return nn.Sequential(features, nn.Linear(128, classes))
"""
SPECIFICATION = f"""
slug = "three"
title = "Three tasks"
[data]
source = "arrays"
image_size = 16
classes = 3
[split]
forget_fraction = 0.15
retain_sample = 16
[practice]
identities = 8
oracles = 0
[model]
module = "model.py"
[training]
epochs = 2
batch_size = 32
[evaluation]
runs = {RUNS}
oracles = {RUNS}
ceiling_oracles = {RUNS}
chunk_runs = 10
originals = 2
[audits]
runs = 0
[measures]
always = false
[leaks]
step_s = 0

[[tasks]]
name = "listed"
weight = 2
[tasks.split]
forget = "forget.csv"

[[tasks]]
name = "drawn"

[[tasks]]
name = "small"
[tasks.model]
architecture = "resnet-small"
"""


def write_files(folder: Path) -> None:
    """Write arrays of people whose brightness tells their class, a network, a list to forget and a specification."""
    generator = np.random.default_rng(0)
    people = np.repeat(np.arange(PEOPLE), EACH)
    faces = generator.integers(0, 256, (PEOPLE, 16, 16, 3))[people] + generator.integers(
        -20, 20, (len(people), 16, 16, 3)
    )
    (folder / "data").mkdir()
    np.save(folder / "data" / "images.npy", np.clip(faces, 0, 255).astype(np.uint8))
    np.save(folder / "data" / "labels.npy", people % 3)
    np.save(folder / "data" / "identities.npy", people)
    (folder / "model.py").write_text(NETWORK)
    (folder / "forget.csv").write_text("identity\n" + "".join(f"{person}\n" for person in range(6)))
    (folder / "three.toml").write_text(SPECIFICATION)


def test_from_own_files_to_a_revealed_board_with_three_tasks(embedded: Installation, tmp_path: Path) -> None:
    write_files(tmp_path)
    data = str(tmp_path / "data")
    created = embedded.lethe("admin", "competition", "create", str(tmp_path / "three.toml"), "--data", data).stdout
    assert "task listed, weight 2" in created
    assert "2 original models of each split" in created
    embedded.lethe("admin", "oracles", "seed", "three")
    rows = json.loads(embedded.lethe("admin", "calibrate", "three", "--json").stdout)
    assert [task["name"] for task in rows[0]["tasks"]] == ["listed", "drawn", "small"]
    embedded.lethe("admin", "competition", "open", "three")
    with embedded.register("three-host") as client:
        files = {"file": ("submission.py", FINE_TUNE.encode())}
        scored = wait(client, client.post("/competitions/three/submissions", files=files).json()["id"], 700)
        assert scored["state"] == "scored", scored
        assert scored["runs_total"] == 3 * 2 * RUNS
        assert [task["name"] for task in scored["tasks"]] == ["listed", "drawn", "small"]
        shares = [task["share"] for task in scored["tasks"]]
        assert shares == [0.5, 0.25, 0.25]
        mean = sum(task["share"] * task["score"] for task in scored["tasks"])
        assert scored["score"] == pytest.approx(mean, abs=1e-3)
        assert scored["originals"]["degrees"] == 1
        facts = client.get("/competitions/three").json()
        assert [task["architecture"] for task in facts["tasks"]] == ["model.py", "model.py", "resnet-small"]
    embedded.lethe("admin", "competition", "close", "three")
    embedded.lethe("admin", "competition", "finals", "three", "--yes", "--wait")
    embedded.lethe("admin", "competition", "reveal", "three", "--yes")
    board = httpx.get(f"{embedded.url}/api/v1/competitions/three/leaderboard", params={"format": "csv"}, timeout=30)
    (row,) = [one for one in csv.DictReader(io.StringIO(board.text)) if one["rank"]]
    assert float(row["task listed"]) == scored["tasks"][0]["score"]
    page = httpx.get(f"{embedded.url}/competitions/three/leaderboard", timeout=30).text
    assert "task listed" in page
    verified = embedded.lethe("admin", "rescore", "three", "--verify", check=False)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    embedded.lethe("admin", "competition", "export", "three", str(tmp_path / "archive"))
    assert len(list((tmp_path / "archive" / "margins").glob("*.npz"))) == 2 * 3 * 2  # public and final
