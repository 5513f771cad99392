"""After the end everything made of photographs can go, while scores, receipts and boards stay."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from lethe.evaluator.artifacts import ArtifactStore
from lethe.evaluator.artifacts.store import ArtifactStoreAway
from lethe.evaluator.contract.bank import practice_bank
from lethe.evaluator.contract.practice import PRACTICE_FORMAT
from lethe.evaluator.contract.prepared_competition import PracticeFile
from lethe.evaluator.contract.specification import MeasuresSpec
from lethe.server.cli import app
from lethe.server.competitions import service
from lethe.server.competitions.service import PhotographsDeleted
from lethe.server.control.submission_plotting import Plotter
from lethe.server.hosting import actions, creation, deletion, editing, finals, oracles
from lethe.server.hosting.actions import PhaseConflict
from lethe.server.hosting.archive import export
from lethe.server.hosting.artifact_references import bank_references, references
from lethe.server.hosting.calibration import calibrate
from lethe.server.hosting.finals import EvaluationsUnfinished
from lethe.server.hosting.photographs import delete_photographs
from lethe.server.hosting.recheck import recheck
from lethe.server.models import AuditEvent, Score, Submission
from lethe.server.scoring import measuring, rescoring
from lethe.server.scoring.verification import verify
from tests.integration.server.conftest import GOOD, SLUG, Site, spec, store_identity, upload

PICTURE = b"pixels-of-a-person-4711"


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'home' / 'lethe.db'}"


def keys(site: Site) -> set[str]:
    return set(site.context.artifacts.list(""))


def fill(site: Site) -> str:
    """Every kind of artifact has the picture in it, and so has what a file printed; return the scored submission."""
    put = site.context.artifacts.put
    refs = {name: put(f"data/0123/{name}", PICTURE + name.encode()) for name in ("photographs", "visible", "sheet")}
    bundle = site.context.artifacts.put_named_by_digest(f"practice/{SLUG}", PICTURE, ".safetensors")
    with site.context.database.write() as session:
        competition = service.get_competition(session, SLUG)
        found = service.prepared_competition(competition)
        file = PracticeFile(artifact=bundle, size_bytes=len(PICTURE), oracles=8, format=PRACTICE_FORMAT)
        practice = found.practice.model_copy(update={"visible": refs["visible"], "bundle": file})
        data = found.data.model_copy(update={"photographs": refs["photographs"]})
        update = {"practice": practice, "data": data, "contact_sheet": refs["sheet"]}
        competition.prepared = found.model_copy(update=update).model_dump(mode="json")
        practice_oracles = practice_bank(store_identity(site), practice).digest
    put(f"banks/{practice_oracles}/checkpoints/0", PICTURE)
    with site.register("ann") as ann:
        answer = upload(ann)
        check = site.claim()
        assert check is not None
        report = {
            "stdout": PICTURE.decode(),
            "stderr": "",
            "traceback": "",
            "wall_s": 1.0,
            "cpu_s": 1.0,
            "peak_memory_bytes": 1,
        }
        assert site.report(check, check=report)
        site.evaluate()
        failed = upload(ann, GOOD + b"'2'\n")
        job = site.begin_runs()
        fault = {"code": "exception", "owner": "participant", "message": PICTURE.decode()}
        assert site.report(job, fault=fault)
        assert failed.status_code == 202
    put(f"submissions/{answer.json()['id']}/0/left-behind", PICTURE)
    return str(answer.json()["id"])


def close(site: Site) -> None:
    with site.context.database.write() as session:
        actions.close(session, SLUG)


def holders(site: Site) -> list[str]:
    """Files of the home, store and database, that have the picture in them."""
    for pragma in ("wal_checkpoint(TRUNCATE)", "optimize"):
        with site.context.database.engine.connect() as connection:
            connection.exec_driver_sql(f"PRAGMA {pragma}")
    home = site.context.settings.home
    paths = (Path(folder) / name for folder, _, names in os.walk(home) for name in names)
    return sorted(str(path.relative_to(home)) for path in paths if PICTURE in path.read_bytes())


def test_nothing_that_was_made_of_photographs_is_left_and_scores_are(site: Site) -> None:
    submission = fill(site)
    plotter = Plotter(site.context, Any)
    close(site)
    with site.client() as client:
        board = client.get(f"/competitions/{SLUG}/leaderboard").json()
        facts = client.get(f"/competitions/{SLUG}").json()
    assert board["rows"]
    assert facts["practice"]["oracles"] == 8
    assert {"lethe.db", "artifacts/data/0123/photographs"} <= set(holders(site))
    done = delete_photographs(site.context, SLUG, actor="user:host")
    assert (done.submissions, done.artifacts > 20) == (2, True)
    assert {key.split("/")[0] for key in keys(site)} <= {
        "sources",
        "evaluation.safetensors",
        "other",
        "original-outputs",
    }
    assert holders(site) == []
    with site.context.database.read() as session:
        stored = keys(site)
        assert {ref.key for ref in references(session)} <= stored
        assert list(bank_references(session, site.context.artifacts)) == []
        event = session.scalars(select(AuditEvent).where(AuditEvent.action == "competition.delete_photographs")).one()
        assert (event.actor, event.details) == ("user:host", {"artifacts": done.artifacts})
        score = session.scalars(select(Score).where(Score.submission_id.is_not(None))).one()
        assert score.receipt["data_sha256"]
        assert (score.plots, score.measures_asked) == ([], False)
        assert measuring.next_job(session) is None
    assert not plotter.draw_next()
    with site.client() as client:
        assert client.get(f"/competitions/{SLUG}/leaderboard").json() == board
        after = client.get(f"/competitions/{SLUG}").json()
        assert after["photographs_deleted_at"] is not None
        assert after["practice"] is None
        assert after["counts"] == facts["counts"]
    assert submission in {str(one) for one in submissions(site)}


def submissions(site: Site) -> list[Any]:
    with site.context.database.read() as session:
        return list(session.scalars(select(Submission.id)))


def test_whatever_needs_photographs_is_refused_with_the_reason(site: Site, tmp_path: Path) -> None:
    submission = fill(site)
    close(site)
    delete_photographs(site.context, SLUG)
    context = site.context

    def in_session(act: Any) -> Any:
        with context.database.write() as session:
            return act(session)

    for act in (
        lambda: creation.rerun(context, submission, fresh_seeds=True),
        lambda: creation.open_competition(context, SLUG),
        lambda: creation.start_finals(context, SLUG),
        lambda: creation.start_benchmark(context, SLUG),
        lambda: in_session(lambda session: actions.open_competition(session, SLUG)),
        lambda: in_session(lambda session: actions.start_benchmark(session, SLUG)),
        lambda: in_session(lambda session: finals.start(session, SLUG)),
        lambda: in_session(lambda session: recheck(session, SLUG, top=1)),
        lambda: in_session(lambda session: editing.edit(session, SLUG, spec(measures=MeasuresSpec(always=False)))),
        lambda: rescoring.draft(context, SLUG, {}, lambda *_: None),
        lambda: verify(context, SLUG, lambda *_: None),
        lambda: calibrate(context, SLUG),
        lambda: oracles.audit(context, SLUG),
        lambda: oracles.prune(context, SLUG),
        lambda: export(context, SLUG, tmp_path / "whole"),
    ):
        with pytest.raises(
            PhotographsDeleted, match=r"The host deleted the photographs of faces .* nothing can be run"
        ):
            act()
    with site.client() as client:
        refused = client.get(f"/competitions/{SLUG}/practice")
        assert (refused.status_code, refused.json()["code"]) == (410, "photographs_deleted")
        pages = site.url
        assert client.get(f"{pages}/competitions/{SLUG}/contact-sheet.webp").status_code == 410
        page = client.get(f"{pages}/competitions/{SLUG}").text
        assert "The host has deleted all photographs of this competition" in page
        assert "contact-sheet.webp" not in page
    assert not (tmp_path / "whole").exists()
    assert export(context, SLUG, tmp_path / "tables", margins=False, logits=False) == 2
    assert site.enlist("another").json()["known"] is None  # a new worker is not asked for what is gone


def test_photographs_go_after_the_end_only(site: Site) -> None:
    with pytest.raises(PhaseConflict, match="faces is open: its photographs can be deleted once it is closed or rev"):
        delete_photographs(site.context, SLUG)
    with site.register("ann") as ann:
        assert upload(ann).status_code == 202
        close(site)
        with pytest.raises(EvaluationsUnfinished, match="still being evaluated: 1"):
            delete_photographs(site.context, SLUG)
        site.evaluate()
    with site.context.database.write() as session:
        finals.start(session, SLUG)
    site.evaluate()
    with site.context.database.write() as session:
        finals.reveal(session, SLUG)
    creation.start_benchmark(site.context, SLUG)
    with pytest.raises(PhaseConflict, match="faces is a benchmark"):
        delete_photographs(site.context, SLUG)
    creation.end_benchmark(site.context, SLUG)
    assert delete_photographs(site.context, SLUG).submissions == 2
    with site.client() as client:
        assert client.get(f"/competitions/{SLUG}/leaderboard?view=final").json()["rows"]


def test_what_another_competition_needs_stays(site: Site) -> None:
    with site.context.database.write() as session:
        first = service.get_competition(session, SLUG)
        other = service.create(session, spec(slug="other"), service.prepared_competition(first))
        other.opened_at = first.opened_at
    close(site)
    before = keys(site)
    assert delete_photographs(site.context, SLUG).artifacts == 0
    assert keys(site) == before
    assert site.enlist("w2").json()["known"] is not None


def test_an_interrupted_deletion_goes_on(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(site)
    close(site)
    real = ArtifactStore.delete

    def half(store: ArtifactStore, wanted: Any) -> None:
        some = sorted(wanted)
        real(store, some[: len(some) // 2])
        raise ArtifactStoreAway("the store went away")

    monkeypatch.setattr(ArtifactStore, "delete", half)
    with pytest.raises(ArtifactStoreAway):
        delete_photographs(site.context, SLUG)
    monkeypatch.undo()
    with site.client() as client:  # nothing is handed out any more
        assert client.get(f"/competitions/{SLUG}/practice").status_code == 410
    delete_photographs(site.context, SLUG)
    assert holders(site) == []
    deletion.delete(site.context, SLUG)
    assert not keys(site)


def test_the_command_asks_and_says_what_stays(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(site)
    monkeypatch.setenv("LETHE_HOME", str(site.context.settings.home))
    monkeypatch.setenv("LETHE_DATABASE_URL", site.context.settings.database)

    def lethe(*words: str, typed: str = "") -> Any:
        return CliRunner().invoke(app, ["admin", "competition", "delete", SLUG, "--photographs", *words], input=typed)

    assert "can be deleted once it is closed" in str(lethe("--yes").exception)
    close(site)
    refused = lethe(typed="fases\n")
    assert refused.exit_code == 1
    assert "This deletes all photographs of 'Faces', and models, outputs and practice data" in refused.stderr
    assert holders(site)
    done = lethe(typed=f"{SLUG}\n")
    assert done.exit_code == 0, done.output
    assert "The scores of 2 submissions stay." in done.stdout
    again = json.loads(lethe("--yes", "--json").stdout)
    assert (again["photographs"], again["artifacts"], again["submissions"]) == (True, 0, 2)
