"""`competition create` from a messy folder: what it says, its report, and what is left of a creation that fails."""

import json
import re
import stat
from html import escape
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from lethe.server.cli import app
from lethe.server.competitions import service
from lethe.server.context import create_context
from lethe.server.settings import Settings
from tests.photographs import make_messy_folder

SPEC = """slug = "messy"
title = "<b>Messy</b>"
[data]
source = "image-folder"
image_size = 24
classes = 3
[split]
retain_sample = 8
[practice]
identities = 8
oracles = 0
[training]
epochs = 1
[evaluation]
runs = 8
oracles = 8
ceiling_oracles = 8
[audits]
runs = 0
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The messy folder with its table mended; files that cannot be used are still in it."""
    root = tmp_path_factory.mktemp("messy")
    make_messy_folder(root)
    lines = (root / "labels.csv").read_text(encoding="latin-1").splitlines()
    (root / "labels.csv").write_text("\n".join(line for line in lines if "mistake" not in line), encoding="utf-8")
    return root


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LETHE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def create(tmp_path: Path, *options: str, spec: str = SPEC) -> Result:
    (tmp_path / "messy.toml").write_text(spec)
    return CliRunner().invoke(app, ["admin", "competition", "create", str(tmp_path / "messy.toml"), *options])


def test_refused_data_are_reported_as_far_as_they_were_read(home: Path, tmp_path: Path, folder: Path) -> None:
    report = tmp_path / "report.html"
    data = ("--data", str(folder), "--report", str(report))
    assert "17 files cannot be used" in str(create(tmp_path, *data).exception)
    page = report.read_text()
    assert "images/phone.png (12000 × 9000 pixels" in page
    assert "No photograph was read." in page
    too_many = SPEC.replace("identities = 8", "identities = 21")
    done = create(tmp_path, *data, "--skip-bad", spec=too_many)
    assert "practice.identities = 21 of 41 identities leaves too few" in str(done.exception)
    assert "warning: 1 of 41 people have one photograph each: Zoë." in done.stderr
    page = report.read_text()
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    assert "practice.identities = 21 of 41 identities leaves too few" in page
    assert "124 photographs of 41 identities" in page
    assert "no model was trained" in page
    assert list(tmp_path.glob(".report-*")) == []


def test_a_report_that_cannot_be_written_stops_before_anything_is_read(home: Path, tmp_path: Path) -> None:
    done = create(tmp_path, "--data", str(tmp_path), "--report", str(tmp_path / "none" / "report.html"))
    assert "name a file in a folder that exists and is yours" in str(done.exception)


@pytest.mark.slow
def test_a_competition_from_a_messy_folder(home: Path, tmp_path: Path, folder: Path) -> None:
    report = tmp_path / "report.html"
    done = create(tmp_path, "--data", str(folder), "--skip-bad", "--report", str(report), "--json")
    assert done.exit_code == 0, f"{done.output} {done.exception!r}"
    assert "skipped images/lost-00.jpg, images/lost-01.jpg" in done.stderr
    assert "and 2 more: is missing" in done.stderr
    document = json.loads(done.stdout)
    assert document["data"]["skipped"] == 17
    found = {one["code"]: one for one in document["warnings"]}
    assert found["near_duplicates"]["names"] == ["person-20/060.jpg (person-20) and again.jpg (person-33)"]
    assert "warning: 1 pair of photographs are nearly the same" in done.stderr
    page = report.read_text()
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    assert "This file contains hidden photographs." in page
    assert "<title>Data of &lt;b&gt;Messy&lt;/b&gt;</title>" in page
    assert "<script" not in page
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "again.jpg, person-33" in page
    for one in found.values():
        assert f"<li>{escape(one['text'])}</li>" in page
    assert "points better on the forget set than two oracles" in page
    assert "16 oracles are needed" in page


NETWORK = """
from torch import nn

def build(classes, width):
    features = nn.Sequential(nn.Conv2d(3, width, 3, stride=4), nn.BatchNorm2d(width), nn.AdaptiveAvgPool2d(1))
    return nn.Sequential(features, nn.Flatten(), nn.Linear(width, classes))
"""
OWN = """slug = "own"
title = "Own"
[data]
source = "arrays"
image_size = 16
classes = 2
class_names = ["even", "odd"]
[split]
forget = "forget.csv"
retain_sample = 8
[practice]
identities = 8
oracles = 0
[model]
module = "model.py"
options = { width = 5 }
[training]
epochs = 1
[evaluation]
runs = 8
oracles = 8
ceiling_oracles = 8
[audits]
runs = 1
epochs = 1
"""


@pytest.mark.slow
def test_a_competition_of_own_arrays_network_and_forget_list(home: Path, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    images = generator.integers(256, size=(72, 16, 16, 3), dtype=np.uint8)
    people = np.array([f"person {row // 3}" for row in range(72)])
    np.savez(tmp_path / "own.npz", images=images, labels=np.arange(72) % 2, identities=people)
    (tmp_path / "model.py").write_text(NETWORK)
    (tmp_path / "forget.csv").write_text("identity\nperson 4\nperson 9\n")
    data = ("--data", str(tmp_path / "own.npz"))
    done = create(tmp_path, *data, spec=OWN)
    assert done.exit_code == 0, f"{done.output} {done.exception!r}"
    assert "training a model will take about 0 s on one core" in done.stderr
    assert "network model.py: 162 weights; layers 0, 1, 2" in done.stdout
    assert " 6 forget of 2 people, " in done.stdout
    assert "guests hold their images in memory: 0.0 MiB in hidden runs, 0.0 MiB in checks, of 2,048 MiB" in done.stdout
    assert "audits of 1 runs of each submission, " in done.stdout
    with create_context(Settings(home=home)).database.read() as session:
        network = service.facts(session, service.get_competition(session, "own", drafts=True)).network
    assert network is not None
    assert (network.source, network.options, network.weights) == (NETWORK, {"width": 5}, 162)
    (tmp_path / "model.py").write_text(NETWORK.replace("return", "import os; assert os.environ['LETHE_HOME']; return"))
    refused = create(tmp_path, *data, spec=OWN.replace('"own"', '"other"'))
    assert "model.py cannot be built with 2 classes: KeyError: 'LETHE_HOME'" in str(refused.exception)
