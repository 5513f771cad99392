"""PostgreSQL behind pgbouncer, which gives each transaction another server: everything works or says why not."""

import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from sqlalchemy import text

from lethe.evaluator.contract.states import SubmissionState
from lethe.server.database.engine import Database
from lethe.server.database.migration import migrate, require_newest, schema_differences
from lethe.server.errors import ConfigurationError
from lethe.server.hosting.backup import back_up, read_manifest, restore
from lethe.server.hosting.queries import schema_revision
from lethe.server.settings import Settings
from tests.conftest import PGBOUNCER, demoted, free_port, listening, new_database
from tests.integration.server.conftest import Site, Template, running_site, upload

pytestmark = pytest.mark.component("postgresql", "pgbouncer")
THREADS, ROUNDS = 12, 30


@contextmanager
def pgbouncer(server: str, mode: str) -> Iterator[str]:
    """URL prefix of a pgbouncer in this mode before `server`, with two servers for everybody."""
    folder = Path(tempfile.mkdtemp(prefix="lethe-pgbouncer-"))  # pytest's own are closed to its user
    folder.chmod(0o755)
    port = free_port()
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n* = host=127.0.0.1 port={urlsplit(server).port} user=lethe\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nauth_type = any\nunix_socket_dir =\n"
        f"pool_mode = {mode}\ndefault_pool_size = 2\n"
    )
    try:
        with listening(demoted([str(PGBOUNCER), "-q", str(folder / "pgbouncer.ini")]), port):
            yield f"postgresql://lethe@127.0.0.1:{port}"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def pooler(postgres_server: str) -> Iterator[str]:
    with pgbouncer(postgres_server, "transaction") as url:
        yield url


def test_statements_are_never_another_clients(pooler: str, postgres_url: str) -> None:
    name = postgres_url.rpartition("/")[2]
    database = Database(f"{pooler}/{name}")

    def ask(client: int) -> None:
        for turn in range(ROUNDS):
            with database.read() as session:
                assert session.scalar(text("SELECT :number + 1"), {"number": turn}) == turn + 1
                assert session.scalar(text("SELECT CAST(:word AS text) || '!'"), {"word": str(client)}) == f"{client}!"

    with ThreadPoolExecutor(THREADS) as pool:
        for done in [pool.submit(ask, client) for client in range(THREADS)]:
            done.result()
    assert database.is_pooled
    database.dispose()
    direct = Database(postgres_url)
    direct.require_answer()
    assert not direct.is_pooled
    with direct.engine.connect() as connection:
        assert connection.connection.driver_connection.prepare_threshold == 5  # type: ignore[union-attr]
    direct.dispose()


def test_a_submission_goes_all_the_way(
    pooler: str, postgres_template: Template, postgres_url: str, tmp_path: Path
) -> None:
    settings = Settings(home=tmp_path / "home", database_url=postgres_url, rate_per_address="", rate_per_token="")
    postgres_template.copy_to(settings)
    name = postgres_url.rpartition("/")[2]
    behind = Settings(**settings.model_dump() | {"database_url": f"{pooler}/{name}"})
    with running_site(behind, postgres_template.worker_key) as site:
        evaluate_one(site)
        assert schema_differences(site.context.database) == []
        with pytest.raises(
            ConfigurationError, match=r"through a connection pooler, and pg_dump needs PostgreSQL itself"
        ):
            back_up(site.context, tmp_path / "backup", with_artifacts=False, progress=lambda *_: None)
        assert [path.name for path in tmp_path.iterdir()] == ["home"]


def evaluate_one(site: Site) -> None:
    with site.register("ann") as client:
        answer = upload(client)
        assert answer.status_code == 202, answer.text
        site.evaluate()
        seen = client.get(f"/submissions/{answer.json()['id']}").json()
    assert seen["state"] == SubmissionState.SCORED


def test_migrations_and_restores(pooler: str, postgres_server: str, site: Site, tmp_path: Path) -> None:
    if site.context.database.is_sqlite:
        pytest.skip("of PostgreSQL")
    back_up(site.context, tmp_path / "backup", with_artifacts=False, progress=lambda *_: None)
    name = new_database(postgres_server).rpartition("/")[2]
    behind = Database(f"{pooler}/{name}")
    migrate(behind)
    require_newest(behind)
    manifest = read_manifest(tmp_path / "backup")
    context = replace(site.context, database=behind)
    with pytest.raises(ConfigurationError, match="pg_restore needs PostgreSQL itself"):
        restore(context, tmp_path / "backup", manifest, overwrite=True, progress=lambda *_: None)
    with behind.snapshot() as session:
        assert schema_revision(session) == manifest.schema_revision
    behind.dispose()


def test_pooling_of_statements_is_refused(postgres_server: str, postgres_url: str) -> None:
    with pgbouncer(postgres_server, "statement") as url:
        database = Database(f"{url}/{postgres_url.rpartition('/')[2]}")
        for start in (migrate, require_newest):
            with pytest.raises(
                ConfigurationError, match=r"pooler of single statements: set its pool_mode = transaction"
            ):
                start(database)
        database.dispose()
