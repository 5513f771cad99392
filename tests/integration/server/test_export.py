"""The archive of a competition: complete, without secrets, and good for computing every score again."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from lethe.server.hosting.archive import FolderInUse, export
from lethe.server.hosting.mlflow_tracking import log_archive
from tests.integration.server.conftest import SECRET, SLUG, Site, upload

pytestmark = pytest.mark.component("postgresql")


@pytest.fixture
def database_url(postgres_url: str) -> str:
    """One database is enough: tests/system/embedded/test_docs.py exports from the other."""
    return postgres_url


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
    assert plots == ["accuracies.svg", "epsilon.svg", "histogram.svg", "margins.svg", "times.svg"]
    assert (archive / "leaderboard-public.csv").read_text().startswith("rank,team,score")
    written = b"".join(path.read_bytes() for path in archive.rglob("*") if path.is_file() and path.suffix != ".npz")
    assert SECRET.encode() not in written
    assert b"ann@" not in written


def test_lethe_score_computes_the_stored_score_from_the_margins(archive: Path) -> None:
    (submission,) = json.loads((archive / "archive.json").read_text())["submissions"]
    file = archive / "margins" / f"{submission['id']}.npz"
    command = [sys.executable, "-m", "lethe.server.cli", "score", str(file), "--json"]
    rule = submission["score"]["receipt"]["rule"]
    done = subprocess.run([*command, "--rule", rule], capture_output=True, text=True, check=True)
    report = json.loads(done.stdout)
    assert report["final_score"] == submission["score"]["final_score"]
    assert report["interval"] == submission["score"]["interval"]


@pytest.mark.filterwarnings("ignore")  # of MLflow itself, about its own use of SQLAlchemy
def test_mlflow_gets_a_run_for_each_submission(archive: Path, tmp_path: Path) -> None:
    tracking = pytest.importorskip("mlflow.tracking")
    uri = log_archive(archive, str(tmp_path / "tracking"))
    client = tracking.MlflowClient(uri)
    (submission,) = json.loads((archive / "archive.json").read_text())["submissions"]
    runs = client.search_runs([client.get_experiment_by_name(SLUG).experiment_id])
    assert {run.data.tags.get("reference") for run in runs} == {"public ceiling", "public floor", None}
    (run,) = (run for run in runs if "submission" in run.data.tags)
    assert run.data.tags["submission"] == submission["id"]
    assert run.data.metrics["final_score"] == submission["score"]["final_score"]
    assert [run.data.metrics[f"interval_{end}"] for end in ("low", "high")] == submission["score"]["interval"]
    assert (run.data.params["team"], run.data.params["rule"], run.info.status) == ("ann", "exact", "FINISHED")
    names = {one.path for one in client.list_artifacts(run.info.run_id)}
    assert names == {"plots", "receipt.json", f"{submission['id']}.npz", f"{submission['id']}.py"}
    with pytest.raises(FolderInUse):
        log_archive(archive, str(tmp_path / "tracking"))
