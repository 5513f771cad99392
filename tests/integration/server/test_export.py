"""The archive of a competition: complete, without secrets, and good for computing every score again."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from server.exports.archive import FolderInUse, export
from tests.integration.server.conftest import SECRET, SLUG, Site, upload


@pytest.fixture
def archive(site: Site, tmp_path: Path) -> Path:
    with site.register("ann") as ann:
        assert upload(ann).status_code == 202
        site.evaluate()
    folder = tmp_path / "archive"
    assert export(site.context, SLUG, folder) == 1
    with pytest.raises(FolderInUse):
        export(site.context, SLUG, folder)
    return folder


def test_an_archive_holds_every_number_and_no_secret(archive: Path, site: Site) -> None:
    facts = json.loads((archive / "archive.json").read_text())
    (submission,) = facts["submissions"]
    (row,) = csv.DictReader(io.StringIO((archive / "submissions.csv").read_text()))
    assert float(row["final_score"]) == submission["score"]["final_score"]
    assert row["submission"] == submission["id"]
    assert submission["former_scores"] == []
    assert submission["score"]["receipt"]["source_sha256"] == submission["source_sha256"]
    plots = sorted(path.name for path in (archive / "plots" / submission["id"]).iterdir())
    assert plots == ["accuracies.svg", "epsilon.svg", "margins.svg", "times.svg"]
    assert (archive / "leaderboard-public.csv").read_text().startswith("rank,team,score")
    written = b"".join(path.read_bytes() for path in archive.rglob("*") if path.is_file() and path.suffix != ".npz")
    assert SECRET.encode() not in written
    assert b"ann@" not in written


def test_lethe_score_computes_the_stored_score_from_the_margins(archive: Path) -> None:
    (submission,) = json.loads((archive / "archive.json").read_text())["submissions"]
    file = archive / "margins" / f"{submission['id']}.npz"
    command = [sys.executable, "-m", "server.cli", "score", str(file), "--json"]
    rule = submission["score"]["receipt"]["rule"]
    done = subprocess.run([*command, "--rule", rule], capture_output=True, text=True, check=True)
    report = json.loads(done.stdout)
    assert report["final_score"] == submission["score"]["final_score"]
    assert report["interval"] == submission["score"]["interval"]
