"""Pruning: what nothing needs goes, what anything needs stays, beside running work too."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from lethe.server.cli import app
from lethe.server.hosting import creation
from lethe.server.hosting.prune import ENDED, SUPERSEDED, UNREFERENCED, delete_waste, find_waste
from lethe.server.models import OutputPack, Submission
from lethe.server.models.times import utc_now
from lethe.server.scoring.scorer import Scorer
from tests.integration.server.conftest import GOOD, Site, upload

WEEK = timedelta(days=7)


def keys(site: Site) -> set[str]:
    return set(site.context.artifacts.list(""))


def found(site: Site, *, days: float) -> dict[str, set[str]]:
    """What would be pruned `days` from now, by reason."""
    waste = find_waste(site.context, older_than=WEEK, now=utc_now() + timedelta(days=days))
    return {reason: {one.key for one in some} for reason, some in waste.artifacts.items() if some}


def prune(site: Site, *, days: float) -> set[str]:
    waste = find_waste(site.context, older_than=WEEK, now=utc_now() + timedelta(days=days))
    return {one.key for one in delete_waste(site.context, waste)}


def test_a_superseded_generation_goes_when_the_newer_one_has_been_scored_for_long(site: Site) -> None:
    with site.register("ann") as ann:
        identifier = upload(ann).json()["id"]
        site.evaluate()
        with site.context.database.read() as session:
            old = session.scalars(select(OutputPack.key)).one()
            creation.rerun(site.context, str(session.scalars(select(Submission.id)).one()), fresh_seeds=True)
        assert found(site, days=8) == {}  # the old score still stands on the board
        site.evaluate()
        score = ann.get(f"/submissions/{identifier}").json()["score"]
        assert found(site, days=6) == {}
        assert found(site, days=8) == {SUPERSEDED: {old}}
        before = keys(site)
        assert prune(site, days=8) == {old}
        assert keys(site) == before - {old}
        assert found(site, days=8) == {}
        assert ann.get(f"/submissions/{identifier}").json()["score"] == score
        assert ann.get(f"/submissions/{identifier}/source").content == GOOD


def test_runs_of_evaluations_that_ended_go_and_those_in_flight_stay(site: Site) -> None:
    with site.register("ann") as ann, site.register("bob") as bob:
        identifier = upload(ann).json()["id"]
        job = site.claim()
        assert job is not None
        assert site.report(job, finished=[])
        job = site.claim()
        assert job is not None
        records = site.store_runs(job)
        held = {record["outputs"]["key"] for record in records}
        site.work("heartbeat", work_id=str(job.work_id), token=job.token, finished=records[:2])
        never_reported = {records[2]["outputs"]["key"]}
        assert found(site, days=6) == {}
        assert found(site, days=8) == {UNREFERENCED: never_reported}  # a worker that was silent for a week
        ann.post(f"/submissions/{identifier}/cancel")
        assert found(site, days=8) == {ENDED: held - never_reported, UNREFERENCED: never_reported}
        upload(bob, GOOD + b"'bob'\n")
        site.evaluate()
        before = keys(site)
        assert prune(site, days=8) == held
        assert keys(site) == before - held
        assert bob.get("/competitions/faces/submissions").json()["items"][0]["state"] == "scored"


def test_leftovers_of_a_crash_after_the_commit_go(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    with site.register("ann") as ann:
        upload(ann)
        monkeypatch.setattr("lethe.server.scoring.scorer.drop_singles", lambda *_: None)
        site.evaluate()
    singles = {key for key in keys(site) if "/runs/" in key}
    assert found(site, days=8) == {UNREFERENCED: singles}
    assert prune(site, days=8) == singles


def test_what_came_to_be_needed_after_the_look_stays(site: Site) -> None:
    with site.register("ann") as ann:
        upload(ann)
        while (job := site.claim()) is not None:
            records = [] if job.stage == "check" else site.store_runs(job)
            if records:
                waste = find_waste(site.context, older_than=WEEK, now=utc_now() + timedelta(days=8))
                assert records[0]["outputs"]["key"] in {one.key for one in waste.artifacts[UNREFERENCED]}
            assert site.report(job, finished=records)
        assert delete_waste(site.context, waste) == ()
        while Scorer(site.context, "test").score_next():
            pass
        assert ann.get("/competitions/faces/submissions").json()["items"][0]["state"] == "scored"


def test_command_says_what_and_deletes_only_with_yes(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = site.context.settings
    monkeypatch.setenv("LETHE_HOME", str(settings.home))
    monkeypatch.setenv("LETHE_DATABASE_URL", settings.database)
    monkeypatch.setattr("lethe.server.hosting.prune.utc_now", lambda: utc_now() + timedelta(days=8))
    site.context.artifacts.put("submissions/nobody/0/outputs-1.safetensors", b"x" * 1000)
    runner = CliRunner()
    said = runner.invoke(app, ["admin", "prune"])
    assert said.exit_code == 0
    assert "1\t0.0 MiB\tnothing refers to them" in said.stdout
    assert "--yes deletes them" in said.stdout
    looked = json.loads(runner.invoke(app, ["admin", "prune", "--json"]).stdout)
    assert looked["deleted"] == {"artifacts": 0, "size_bytes": 0}
    done = json.loads(runner.invoke(app, ["admin", "prune", "--json", "--yes"]).stdout)
    assert done["deleted"] == {"artifacts": 1, "size_bytes": 1000}
    assert not site.context.artifacts.exists("submissions/nobody/0/outputs-1.safetensors")
    newest = json.loads(runner.invoke(app, ["admin", "audit", "--json"]).stdout)[0]
    assert (newest["action"], newest["details"]) == ("storage.prune", done["deleted"])
