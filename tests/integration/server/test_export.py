"""The archive of a competition: complete, without secrets, and good for computing every score again."""

import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select

from lethe.evaluator.artifacts.outputs import read_pack
from lethe.server.hosting.archive import FolderInUse, export
from lethe.server.hosting.mlflow_tracking import log_archive
from lethe.server.models import OutputPack
from tests.integration.server.conftest import FORGET, RUNS, SECRET, SLUG, Site, drawn_outputs, upload

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


def scored(*files: Path, options: tuple[str, ...] = ()) -> dict[str, Any]:
    """What `lethe score` makes of the files; the warnings would name an array that it does not know."""
    command = [sys.executable, "-m", "lethe.server.cli", "score", *map(str, files), "--json", *options]
    report: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert "arrays_ignored" not in {warning["code"] for warning in report["warnings"]}
    return report


def test_lethe_score_computes_the_stored_score_from_the_margins_and_from_the_logits(archive: Path) -> None:
    (submission,) = json.loads((archive / "archive.json").read_text())["submissions"]
    file, outputs = f"{submission['id']}.npz", archive / "outputs"
    from_logits = (outputs / file, outputs / "oracles-public.npz")
    for files in ((archive / "margins" / file,), from_logits):
        report = scored(*files)
        assert report["rule"] == submission["score"]["receipt"]["rule"]
        assert report["final_score"] == submission["score"]["final_score"]
        assert report["interval"] == submission["score"]["interval"]
        assert report["replicates"] == submission["score"]["replicates"]
    loss = scored(*from_logits, options=("--quantity", "loss"))
    assert loss["epsilon"] == pytest.approx(report["epsilon"])  # the exact rule looks at the order of values only
    logit = scored(*from_logits, options=("--quantity", "logit"))
    assert logit["epsilon"] != pytest.approx(report["epsilon"])


def test_an_archive_has_all_outputs_as_they_are_stored(archive: Path, site: Site) -> None:
    (submission,) = json.loads((archive / "archive.json").read_text())["submissions"]
    with site.context.database.read() as session:
        pack = site.context.artifacts.get(session.scalars(select(OutputPack.key)).one())
    stored = read_pack(pack)
    runs = np.load(archive / "outputs" / f"{submission['id']}.npz")
    for part, suffix in (("forget", ""), ("test", "_test"), ("retain", "_retain")):
        np.testing.assert_array_equal(runs[f"unlearned{suffix}"], stored.logits[part], strict=True)
    for part in ("retain", "forget", "validation", "test"):
        np.testing.assert_array_equal(runs[f"unlearned_{part}_accuracy"], stored.accuracy[part], strict=True)
    oracles = np.load(archive / "outputs" / "oracles-public.npz")
    for pool, models in (("retrained", range(RUNS)), ("ceiling", range(RUNS, 2 * RUNS))):
        expected = [drawn_outputs(model).logits["forget"] for model in models]
        np.testing.assert_array_equal(oracles[pool], np.stack(expected), strict=True)
    np.testing.assert_array_equal(oracles["original"][0], drawn_outputs(999, shift=3.0).logits["forget"])
    assert oracles["labels"].shape == oracles["identities"].shape == (FORGET,)
    explained = set(re.findall(r"`([\w…]+)`", (archive / "README.md").read_text()))
    for name in (*runs.files, *oracles.files):
        pool = re.match(r"(unlearned|retrained|ceiling|original)", name)
        general = name if pool is None else name.replace(pool[0], "POOL", 1)
        assert {general, general.replace("POOL", "…")} & explained or general.endswith("_accuracy"), name


def test_logits_may_be_left_out(archive: Path, site: Site, tmp_path: Path) -> None:
    assert export(site.context, SLUG, tmp_path / "small", logits=False) == 1
    assert not (tmp_path / "small" / "outputs").exists()
    kept = {path.relative_to(tmp_path / "small") for path in (tmp_path / "small").rglob("*.*")}
    assert kept == {path.relative_to(archive) for path in archive.rglob("*.*") if "outputs" not in path.parts}


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
