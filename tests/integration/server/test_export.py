"""The archive of a competition: complete, without secrets, and good for computing every score again."""

import csv
import hashlib
import io
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from lethe.evaluator.artifacts.outputs import read_pack
from lethe.evaluator.contract.states import Evaluation
from lethe.server.audit_log.events import list_events
from lethe.server.cli import app, competition
from lethe.server.competitions.service import get_competition
from lethe.server.errors import Conflict
from lethe.server.hosting import account_administration, actions
from lethe.server.hosting.archive import FolderInUse, export
from lethe.server.hosting.archive_file import needed_bytes, require_room
from lethe.server.hosting.mlflow_tracking import log_archive, require_target
from lethe.server.models import OutputPack
from lethe.server.scoring.queries import reference_scores
from tests.commands import run_lethe
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
    report: dict[str, Any] = json.loads(run_lethe("score", *map(str, files), "--json", *options, check=True).stdout)
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
    assert {run.data.tags.get("reference") for run in runs} == {
        *(f"{split} {reference}" for split in ("public", "final") for reference in ("ceiling", "floor")),
        None,
    }
    (run,) = (run for run in runs if "submission" in run.data.tags)
    assert run.data.tags["submission"] == submission["id"]
    assert run.data.metrics["final_score"] == submission["score"]["final_score"]
    assert [run.data.metrics[f"interval_{end}"] for end in ("low", "high")] == submission["score"]["interval"]
    assert (run.data.params["team"], run.data.params["rule"], run.info.status) == ("ann", "exact", "FINISHED")
    names = {one.path for one in client.list_artifacts(run.info.run_id)}
    assert names == {"plots", "receipt.json", f"{submission['id']}.npz", f"{submission['id']}.py"}
    with pytest.raises(FolderInUse):
        require_target(str(tmp_path / "tracking"), SLUG)


def table(archive: Path, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((archive / name).read_text())))


def test_an_archive_has_every_run_and_what_its_score_depends_on(archive: Path, site: Site) -> None:
    (submission,) = json.loads((archive / "archive.json").read_text())["submissions"]
    runs, margins = table(archive, "runs.csv"), np.load(archive / "margins" / f"{submission['id']}.npz")
    assert [int(line["run"]) for line in runs] == list(range(RUNS))
    seeds = "\n".join(line["seed"] for line in runs)
    receipt = submission["score"]["receipt"]
    assert hashlib.sha256(seeds.encode()).hexdigest() == receipt["seeds_sha256"]
    for part, title in (("forget", "UA (%)"), ("retain", "RA (%)"), ("test", "TA (%)")):
        accuracies = [float(line[title]) for line in runs]
        assert accuracies == pytest.approx(100 * margins[f"unlearned_{part}_accuracy"])
        assert float(table(archive, "submissions.csv")[0][title]) == pytest.approx(np.mean(accuracies))
    assert all(float(line["wall time (s)"]) >= 0 for line in runs)
    assert table(archive, "teams.csv") == [{"team": "ann", "member": "ann", "baseline": "False", "disqualified": ""}]
    provenance = json.loads((archive / "provenance.json").read_text())
    assert provenance["bank_digests"]["public"] == receipt["bank_digest"]
    assert provenance["data_sha256"]["public"] == receipt["data_sha256"]
    assert (provenance["rule"]["rule"], provenance["runs"]) == (receipt["rule"], receipt["runs"])


def test_an_archive_has_the_final_ceiling_and_floor(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with site.register("ann") as ann:
        upload(ann)
        site.evaluate()
    with site.context.database.write() as session:
        actions.close(session, SLUG)
    monkeypatch.setenv("LETHE_HOME", str(site.context.settings.home))
    monkeypatch.setenv("LETHE_DATABASE_URL", site.context.settings.database)
    monkeypatch.setattr(competition, "time", SimpleNamespace(sleep=lambda _: site.evaluate()))
    finals = ["admin", "competition", "finals", SLUG]
    started = CliRunner().invoke(app, [*finals, "--yes"])
    assert "0 of 1 final evaluations are scored, 0 failed." in started.stdout
    assert f"next, when 1 more have ended: lethe admin competition reveal {SLUG}" in started.stdout
    followed = CliRunner().invoke(app, [*finals, "--wait"])  # asks for nothing: they have begun
    assert "1 of 1 final evaluations are scored, 0 failed." in followed.stdout
    assert "evaluated" in followed.stderr
    export(site.context, SLUG, tmp_path / "archive", logits=False)
    facts = json.loads((tmp_path / "archive" / "archive.json").read_text())
    references = facts["competition"]["references"]
    assert sorted(references) == ["final ceiling", "final floor", "public ceiling", "public floor"]
    assert {line["evaluation"] for line in table(tmp_path / "archive", "runs.csv")} == {"public", "final"}
    with site.context.database.read() as session:
        stored = reference_scores(session, get_competition(session, SLUG), Evaluation.FINAL)
        assert [references[f"final {one.reference}"]["final_score"] for one in stored] == [
            one.final_score for one in stored
        ]


def test_an_export_that_stops_leaves_nothing_in_its_folder(site: Site, tmp_path: Path) -> None:
    with site.register("ann") as ann:
        upload(ann)
        site.evaluate()

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(site.context, SLUG, tmp_path / "archive", report=stop)
    assert export(site.context, SLUG, tmp_path / "archive") == 1


def test_an_archive_for_which_there_is_no_room_is_refused_before_it_is_written(tmp_path: Path) -> None:
    require_room(tmp_path, 0)
    with pytest.raises(
        Conflict, match=r"needs about 1,152,921,504\.6 GB of temporary space, and .* set TMPDIR of lethe"
    ):
        require_room(tmp_path, 2**60)


def test_a_host_downloads_the_same_archive(archive: Path, site: Site) -> None:
    address = f"{site.url}/host/{SLUG}/archive"
    with site.register("hal") as hal:
        login = hal.post("/session", json={"username": "hal", "password": "correct horse"})
        proof = {"csrf_token": login.json()["csrf_token"]}
        assert hal.post(address, data=proof).status_code == 404
        with site.context.database.write() as session:
            account_administration.set_host(session, "hal", SLUG, is_host=True)
        answer = hal.post(address, data=proof)
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{SLUG}.zip"'
    with ZipFile(io.BytesIO(answer.content)) as file:
        got = {name.removeprefix(f"{SLUG}/"): file.read(name) for name in file.namelist()}
    sizes = {path: path.stat().st_size for path in archive.rglob("*") if path.is_file()}
    everything = sum(sizes.values())
    assert 2 * everything < needed_bytes(site.context, SLUG, outputs=True) < 2 * everything + 2**22
    exported = {str(path.relative_to(archive)) for path in archive.rglob("*") if path.is_file()}
    assert got.keys() == {name for name in exported if not name.startswith("outputs/")}
    assert got["runs.csv"] == (archive / "runs.csv").read_bytes()
    with site.context.database.read() as session:
        events, _ = list_events(session, competition_id=None, cursor=None, limit=1)
        assert [(one.action, one.actor) for one in events] == [("competition.export", "user:hal")]
