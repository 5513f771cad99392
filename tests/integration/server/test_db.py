"""The kinds of transaction, and a PostgreSQL that is restarted under them."""

from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import func, select

from server.database import engine
from server.database.engine import Database
from server.database.migration import migrate
from server.models import User

pytestmark = pytest.mark.component("postgresql")


@pytest.fixture
def database(postgres_url: str) -> Iterator[Database]:
    opened = Database(postgres_url)
    migrate(opened)
    with opened.write() as session:
        session.add(User(username="ann", username_key="ann", email="a@b", email_key="a@b", password_hash=""))
    yield opened
    opened.dispose()


def test_a_session_for_reading_writes_nothing(database: Database) -> None:
    with database.read() as session:
        session.scalars(select(User)).one().username = "changed"
        assert session.scalar(select(func.count()).select_from(User)) == 1
        session.flush()
    with database.read() as session:
        assert session.scalar(select(User.username)) == "ann"


def test_a_snapshot_sees_one_moment_and_writes_nothing(database: Database) -> None:
    with database.snapshot() as session:
        assert session.scalar(select(User.username)) == "ann"
        with database.write() as other:
            other.scalars(select(User)).one().username = "bea"
        assert session.scalar(select(User.username)) == "ann"
        session.scalars(select(User)).one().username = "changed"
    with database.read() as session:  # on the connection that the snapshot had
        assert session.scalar(select(User.username)) == "bea"
        with database.write() as other:
            other.scalars(select(User)).one().username = "cat"
        assert session.scalar(select(User.username)) == "cat"


def test_connections_that_died_while_they_rested_are_replaced(
    database: Database, postgres_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_REST_S", 0.0)
    with database.read() as first, database.read() as second:
        assert [session.scalar(select(User.username)) for session in (first, second)] == ["ann", "ann"]
    with psycopg.connect(f"{postgres_server}/postgres", autocommit=True) as connection:
        killed = connection.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = %s", [database.url.database]
        ).fetchone()
    assert killed is not None
    assert killed[0] >= 2
    with database.write() as session:
        assert session.scalar(select(User.username)) == "ann"
