"""`competition create` from a messy folder: what it says, its report, and what is left of a creation that fails."""

import json
import re
import stat
from html import escape
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from lethe.server.cli import app
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
