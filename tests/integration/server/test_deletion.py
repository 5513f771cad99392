"""A competition that is deleted is gone: from the store, from every table but the audit log, and for its workers."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from lethe.evaluator.artifacts import ArtifactStore
from lethe.evaluator.artifacts.store import ArtifactStoreAway
from lethe.evaluator.contract.bank import practice_bank
from lethe.server.cli import app
from lethe.server.competitions import service
from lethe.server.hosting import actions, deletion, finals
from lethe.server.models import AuditEvent, Competition
from lethe.server.models.base import Base
from lethe.server.models.times import utc_now
from tests.integration.server.conftest import GOOD, SLUG, Site, spec, store_identity, upload


def keys(site: Site) -> set[str]:
    return set(site.context.artifacts.list(""))


def rows(site: Site) -> dict[str, list[str]]:
    """Every row of every table, as text."""
    with site.context.database.read() as session:
        tables = Base.metadata.sorted_tables
        return {table.name: [str(tuple(row)) for row in session.execute(select(table))] for table in tables}


def competition_id(site: Site, slug: str = SLUG) -> Any:
    with site.context.database.read() as session:
        return service.get_competition(session, slug, drafts=True).id


def fill(site: Site) -> None:
    """Teams, a scored submission, one that runs, and one that waits."""
    with site.register("ann") as ann, site.register("bob") as bob:
        assert upload(ann).status_code == 202
        site.evaluate()
        assert upload(ann, GOOD + b"#\n'2'\n").status_code == 202
        job = site.begin_runs()
        site.store_runs(job)
        assert upload(bob, GOOD + b"'bob'\n").status_code == 202


def test_final_evaluations_go_too(site: Site) -> None:
    with site.register("ann") as ann:
        assert upload(ann).status_code == 202
        site.evaluate()
    with site.context.database.write() as session:
        actions.close(session, SLUG)
        finals.start(session, SLUG)
    site.evaluate()
    assert deletion.delete(site.context, SLUG).submissions == 2
    assert not keys(site)


def test_nothing_is_left_but_accounts_and_the_audit_log(site: Site) -> None:
    fill(site)
    own = competition_id(site)
    with site.context.database.read() as session:
        prepared = service.prepared_competition(service.get_competition(session, SLUG))
    practice = practice_bank(store_identity(site), prepared.practice).digest
    site.context.artifacts.put(f"banks/{practice}/outputs/00000.safetensors", b"of a practice oracle")
    sheet = site.context.artifacts.put("data/0123/contact-sheet", b"of practice data")
    site.context.artifacts.put("data/0123/visible-of-a-former-attempt", b"photographs")
    site.context.artifacts.put(f"practice/{SLUG}-0123456789abcdef.safetensors", b"a former bundle")
    site.context.artifacts.put(f"practice/{SLUG}-2-0123456789abcdef.safetensors", b"of another competition")
    site.context.artifacts.put("data/4567/visible-of-nobody", b"of data that it never had")
    with site.context.database.write() as session:
        competition = service.get_competition(session, SLUG)
        competition.prepared = competition.prepared | {"contact_sheet": sheet.model_dump()}
    found = deletion.delete(site.context, SLUG, actor="user:host")
    assert (found.submissions, found.artifacts > 20) == (3, True)
    assert {
        key for key in keys(site) if key.startswith(("data/", "banks/", "submissions/", "sources/", "practice/"))
    } == {
        "data/4567/visible-of-nobody",
        f"practice/{SLUG}-2-0123456789abcdef.safetensors",
    }
    left = rows(site)
    full = {name for name, some in left.items() if some}
    assert full <= {
        "users", "api_tokens", "audit_events", "worker_keys", "workers", "counters", "known_addresses",
        "upload_attempts",
    }  # fmt: skip
    elsewhere = [row for name, some in left.items() if name != "audit_events" for row in some]
    assert not [row for row in elsewhere if SLUG in row or own.hex in row or str(own) in row]
    with site.context.database.read() as session:
        event = session.scalars(select(AuditEvent).where(AuditEvent.action == "competition.delete")).one()
        assert (event.target, event.actor, event.competition_id) == (SLUG, "user:host", None)
        assert event.details == {"submissions": 3, "artifacts": found.artifacts}
    with site.client() as client:
        assert client.get(f"/competitions/{SLUG}").status_code == 404


def test_artifacts_that_another_competition_needs_stay(site: Site) -> None:
    fill(site)
    with site.context.database.write() as session:
        first = service.get_competition(session, SLUG)
        other = service.create(session, spec(slug="other"), service.prepared_competition(first))
        other.opened_at = utc_now()
    before = keys(site)
    deletion.delete(site.context, SLUG)
    left = keys(site)
    assert {key for key in before if key.startswith("banks/")} <= left
    assert not [key for key in left if key.startswith(("submissions/", "sources/"))]
    with site.register("cem") as cem:
        answer = cem.post("/competitions/other/submissions", files={"file": ("a.py", GOOD)})
        assert answer.status_code == 202
        site.evaluate()
        assert cem.get(f"/submissions/{answer.json()['id']}").json()["state"] == "scored"
    deletion.delete(site.context, "other")
    assert not keys(site)


def test_a_worker_in_the_middle_of_a_run_hears_that_its_work_is_gone(site: Site) -> None:
    with site.register("ann") as ann:
        assert upload(ann).status_code == 202
        job = site.begin_runs()
        records = site.store_runs(job)
        deletion.delete(site.context, SLUG)
        beat = site.work("heartbeat", work_id=str(job.work_id), token=job.token, finished=records)
        assert beat.status_code == 200
        assert beat.json()["stop"]
        assert not site.report(job, finished=records)
        assert site.claim() is None


def test_a_deletion_that_was_interrupted_goes_on(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(site)
    own, real = competition_id(site), ArtifactStore.delete

    def half(store: ArtifactStore, wanted: Any) -> None:
        some = list(wanted)
        real(store, some[: len(some) // 2])
        raise ArtifactStoreAway("the store went away")

    monkeypatch.setattr(ArtifactStore, "delete", half)
    with pytest.raises(ArtifactStoreAway):
        deletion.delete(site.context, SLUG)
    monkeypatch.undo()
    with site.context.database.read() as session:
        assert session.get_one(Competition, own).opened_at is None  # nobody sees it any more
    with site.client() as client:
        assert client.get(f"/competitions/{SLUG}").status_code == 404
    deletion.delete(site.context, SLUG)
    assert not keys(site)
    assert not rows(site)["competitions"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_command_asks_for_the_slug_and_keeps_an_archive(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with site.register("ann") as ann:
        assert upload(ann).status_code == 202
        site.evaluate()
    monkeypatch.setenv("LETHE_HOME", str(site.context.settings.home))
    monkeypatch.setenv("LETHE_DATABASE_URL", site.context.settings.database)

    def lethe(*words: str, typed: str = "") -> Any:
        return CliRunner().invoke(app, ["admin", "competition", *words], input=typed)

    assert [row["slug"] for row in json.loads(lethe("list", "--json").stdout)] == [SLUG]
    assert SLUG in lethe("list").stdout
    refused = lethe("delete", SLUG, typed="fases\n")
    assert refused.exit_code == 1
    assert f"Type {SLUG} to delete it" in refused.stderr
    assert rows(site)["competitions"]
    archive = tmp_path / "archive"
    done = lethe("delete", SLUG, "--keep-archive", str(archive), typed=f"{SLUG}\n")
    assert done.exit_code == 0, done.output
    assert f"Deleted {SLUG}: 1 submission, " in done.stdout
    assert json.loads((archive / "archive.json").read_text())["submissions"]
    assert json.loads(lethe("list", "--json").stdout) == []
    assert "There is no competition called" in str(lethe("delete", SLUG, "--yes").exception)
