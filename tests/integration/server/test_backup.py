"""Backup and restore as a round trip on both databases: same scores, same board, same artifacts."""

import errno
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from sqlalchemy import create_engine, inspect, select
from typer.testing import CliRunner

from lethe.evaluator.artifacts import open_store
from lethe.evaluator.artifacts.oracles import identity_key, pruned_key
from lethe.server.audit_log.events import newest_event
from lethe.server.cli import app
from lethe.server.context import Context, create_context
from lethe.server.database.engine import Database
from lethe.server.database.migration import schema_differences
from lethe.server.hosting import backup
from lethe.server.hosting.backup import BACKUP
from lethe.server.models import AuditEvent, Base, Submission, WorkItem
from lethe.server.scoring.scorer import Scorer
from lethe.server.settings import Settings
from tests.documented import ROOT, bash, commands, replaced
from tests.integration.server.conftest import BANK, GOOD, Site, store_identity, upload

Lethe = Callable[..., "tuple[int, str]"]


def rows(database: Database) -> dict[str, list[tuple[object, ...]]]:
    """Everything that the database holds."""
    with database.read() as session:
        return {
            table.name: sorted((tuple(row) for row in session.execute(select(table))), key=repr)
            for table in Base.metadata.sorted_tables
        }


@pytest.fixture
def elsewhere(site: Site, request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings of another machine with an empty database of the same kind and an empty store."""
    if site.context.database.is_sqlite:
        url = f"sqlite:///{tmp_path / 'other' / 'lethe.db'}"
    else:
        import psycopg

        server = request.getfixturevalue("postgres_server")
        name = f"lethe_{os.urandom(6).hex()}"
        with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        url = f"{server}/{name}"
    return Settings(home=tmp_path / "other", database_url=url)


@pytest.fixture
def lethe(monkeypatch: pytest.MonkeyPatch) -> Lethe:
    """One command under some settings: its exit code, and what it said."""

    def call(settings: Settings, *arguments: str) -> tuple[int, str]:
        monkeypatch.setenv("LETHE_HOME", str(settings.home))
        monkeypatch.setenv("LETHE_DATABASE_URL", settings.database)
        done = CliRunner().invoke(app, ["admin", *arguments])
        return done.exit_code, done.stdout + (str(done.exception) if done.exception else "")

    return call


def half_done(site: Site) -> None:
    """One scored submission, and one that a worker is in the middle of."""
    with site.register("ann") as ann, site.register("bob") as bob:
        upload(ann)
        site.evaluate()
        upload(bob, GOOD + b"'bob'\n")
        job = site.claim()
        assert job is not None
        assert site.report(job, finished=[])
        job = site.claim()
        assert job is not None
        assert site.work(
            "heartbeat", work_id=str(job.work_id), token=job.token, finished=site.store_runs(job)[:1]
        ).json() == {"stop": False, "lease_s": 60.0}


def test_round_trip_with_artifacts(site: Site, elsewhere: Settings, lethe: Lethe, tmp_path: Path) -> None:
    half_done(site)
    marks = (identity_key(BANK), pruned_key(BANK))  # no row and no record names them
    store_identity(site)
    site.context.artifacts.put(pruned_key(BANK), b"{}")
    folder = tmp_path / "backup"
    code, said = lethe(site.context.settings, "backup", str(folder), "--artifacts", "--json")
    assert code == 0, said
    made = json.loads(said)
    assert (made["missing"], made["database"]) == ([], "sqlite" if site.context.database.is_sqlite else "postgresql")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o077 for path in folder.rglob("*") if path.is_file()} == {0}
    with site.context.database.read() as session:
        assert newest_event(session, BACKUP) is not None
    before = rows(site.context.database)

    code, said = lethe(elsewhere, "restore", str(folder), "--json")
    assert (code, json.loads(said)) == (0, {"copied": made["artifacts"], "missing": []})
    there = create_context(elsewhere)
    assert schema_differences(there.database) == []
    after = rows(there.database)
    for name in before.keys() - {"work_items", "leases", "audit_events"}:
        assert after[name] == before[name], name
    with there.database.read() as session:
        events = session.scalars(select(AuditEvent).order_by(AuditEvent.created_at)).all()
    # The event of the backup came after its dump.
    assert (len(events), events[-1].action) == (len(before["audit_events"]), "storage.restore")
    copied = open_store(elsewhere.artifacts)
    source = site.context.artifacts
    for key in copied.list(""):
        assert copied.get(key) == source.get(key)
    assert all(copied.exists(key) for key in marks)
    _finish(there)
    there.database.dispose()


def test_a_later_backup_takes_room_only_for_what_is_new(
    site: Site, elsewhere: Settings, lethe: Lethe, tmp_path: Path
) -> None:
    half_done(site)
    for name in ("first", "second"):
        code, said = lethe(site.context.settings, "backup", str(tmp_path / name), "--artifacts", "--json")
        assert code == 0, said
    kept = [
        path.relative_to(tmp_path / "first") for path in (tmp_path / "first/artifacts").rglob("*") if path.is_file()
    ]
    assert kept
    assert all((tmp_path / "first" / path).samefile(tmp_path / "second" / path) for path in kept)
    shutil.rmtree(tmp_path / "first")
    code, said = lethe(elsewhere, "restore", str(tmp_path / "second"), "--json")
    assert (code, json.loads(said)["missing"]) == (0, [])


def test_a_backup_that_fails_leaves_nothing(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup, "_write_private", full)
    with pytest.raises(OSError, match="No space left"):
        backup.back_up(site.context, tmp_path / "new", with_artifacts=True, progress=lambda *_: None)
    assert list(tmp_path.glob("*new*")) == []


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def _finish(there: Context) -> None:
    """What was in the middle goes on there, and whoever held it before is fenced off."""
    with there.database.read() as session:
        item = session.scalars(select(WorkItem).where(WorkItem.state == "leased")).one()
        assert item.token > 1_000_000
        assert len(item.finished) == 1
        states = sorted(session.scalars(select(Submission.state)))
    assert states == ["running", "scored"]
    assert Scorer(there, "test").score_next() is False


def test_without_artifacts_restore_says_what_the_store_lacks(
    site: Site, elsewhere: Settings, lethe: Lethe, tmp_path: Path
) -> None:
    half_done(site)
    folder = tmp_path / "backup"
    assert lethe(site.context.settings, "backup", str(folder))[0] == 0
    assert sorted(path.name for path in folder.iterdir())[1:] == ["manifest.json"]
    code, said = lethe(elsewhere, "restore", str(folder), "--json")
    missing = json.loads(said.partition("}")[0] + "}")["missing"]
    assert code == 1
    assert any(key.startswith("sources/") for key in missing)
    shutil.copytree(site.context.settings.home / "artifacts", elsewhere.home / "artifacts", dirs_exist_ok=True)
    code, said = lethe(elsewhere, "restore", str(folder), "--yes", "--json")
    assert (code, json.loads(said)) == (0, {"copied": 0, "missing": []})


def test_a_database_that_holds_something_is_replaced_only_with_yes(
    site: Site, elsewhere: Settings, lethe: Lethe, tmp_path: Path
) -> None:
    half_done(site)
    assert lethe(site.context.settings, "backup", str(tmp_path / "backup"), "--artifacts")[0] == 0
    assert lethe(elsewhere, "restore", str(tmp_path / "backup"))[0] == 0
    there = Database(elsewhere.database)
    with there.write() as session:
        session.execute(WorkItem.__table__.delete())  # type: ignore[attr-defined]
    emptied = rows(there)
    there.dispose()
    code, said = lethe(elsewhere, "restore", str(tmp_path / "backup"))
    assert code == 1
    assert "not empty" in said
    assert rows(there) == emptied
    there.dispose()
    assert lethe(elsewhere, "restore", str(tmp_path / "backup"), "--yes")[0] == 0
    assert len(rows(there)["work_items"]) == len(rows(site.context.database)["work_items"])
    there.dispose()


def test_spoiled_and_foreign_backups_are_refused_before_anything_changes(
    site: Site, elsewhere: Settings, lethe: Lethe, tmp_path: Path
) -> None:
    half_done(site)
    folder = tmp_path / "backup"
    assert lethe(site.context.settings, "backup", str(folder), "--artifacts")[0] == 0
    assert "exists already" in lethe(site.context.settings, "backup", str(folder))[1]
    manifest = json.loads((folder / "manifest.json").read_text())

    def refusal() -> str:
        code, said = lethe(elsewhere, "restore", str(folder))
        assert code == 1
        database = Database(elsewhere.database)
        if not database.is_sqlite or Path(database.url.database or "").exists():
            engine = create_engine(database.url)
            assert inspect(engine).get_table_names() == []
            engine.dispose()
        database.dispose()
        return said

    other = "postgresql" if manifest["database"] == "sqlite" else "sqlite"
    for change, words in (
        ({"database": other}, f"the backup is of {other}"),
        ({"schema_revision": "9999"}, "schema 9999, which this Lethe does not know"),
        ({"dump_sha256": "0" * 64}, "the backup is damaged"),
        ({"format": 2}, "is not a backup"),
    ):
        (folder / "manifest.json").write_text(json.dumps(manifest | change))
        assert words in refusal()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    victim = folder / "artifacts" / manifest["artifacts"][0]["key"]
    victim.write_bytes(b"spoiled")
    assert "the backup is damaged" in refusal()
    victim.unlink()
    assert "the backup lacks" in refusal()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_the_nightly_unit_and_the_drill_of_the_document(site: Site, postgres_server: str, tmp_path: Path) -> None:
    half_done(site)
    unit = (ROOT / "deploy/systemd/lethe-backup.service").read_text()
    found = re.search(r"^ExecStart=/bin/sh -c '(.+)'$", unit, re.MULTILINE)
    assert found is not None
    nightly = found[1].replace("%%", "%").replace("/opt/lethe/bin/lethe", "lethe")
    settings, server = site.context.settings, urlsplit(postgres_server)
    of_site = {"LETHE_HOME": str(settings.home), "LETHE_DATABASE_URL": settings.database}
    made = bash(nightly, tmp_path, of_site | {"BACKUP_FOLDER": str(tmp_path / "backups"), "BACKUP_OPTIONS": ""})
    assert made.returncode == 0, made.stderr
    (folder,) = (tmp_path / "backups").iterdir()
    assert re.fullmatch(r"20\d{6}T\d{6}Z", folder.name)

    name = f"lethe_drill_{folder.name.lower()}"
    drill = replaced(
        commands(ROOT / "docs/operations.md", "### A restore drill"),
        (r"runuser -u postgres -- ", ""),
        ("lethe_drill", name),
        (r"@127\.0\.0\.1/", f"@{server.netloc.split('@')[1]}/"),
        (r"/var/backups/lethe/", f"{tmp_path}/backups/"),
        (r"/var/tmp/", f"{tmp_path}/"),  # noqa: S108 - replaced
        # As with a copy of the store, without which the drill ends here and names what is missing.
        ("^export LETHE_HOME", f"export LETHE_ARTIFACTS_URL=file://{settings.home}/artifacts LETHE_HOME"),
    )
    where = {"PGHOST": server.hostname or "", "PGPORT": str(server.port), "PGUSER": "lethe", "PGDATABASE": "postgres"}
    done = bash(drill, tmp_path, where | {"COLUMNS": "200"})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "missing: 0" in done.stdout
    assert "storage.restore" in done.stdout
    assert not (tmp_path / "lethe-drill").exists()
