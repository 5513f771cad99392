"""The kinds of transaction, and a PostgreSQL that is restarted under them."""

from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import select

from lethe.server.database import engine
from lethe.server.database.engine import Database, ReadSessionChanged
from lethe.server.database.migration import migrate
from lethe.server.models import User

pytestmark = pytest.mark.component("postgresql")


@pytest.fixture
def database(postgres_url: str) -> Iterator[Database]:
    opened = Database(postgres_url)
    migrate(opened)
    with opened.write() as session:
        session.add(User(username="ann", username_key="ann", email="a@b", email_key="a@b", password_hash=""))
    yield opened
    opened.dispose()


@pytest.mark.parametrize("kind", ["read", "snapshot"])
def test_a_session_for_reading_refuses_changes_and_writes_nothing(database: Database, kind: str) -> None:
    with pytest.raises(ReadSessionChanged, match="User"), getattr(database, kind)() as session:
        session.scalars(select(User)).one().username = "changed"
    with pytest.raises(ReadSessionChanged, match="User"), getattr(database, kind)() as session:
        session.add(User(username="bob", username_key="bob", email="b@example.org", email_key="b", password_hash=""))
    with database.read() as session:
        assert session.scalars(select(User.username)).all() == ["ann"]


def test_a_snapshot_sees_one_moment(database: Database) -> None:
    with database.snapshot() as session:
        assert session.scalar(select(User.username)) == "ann"
        with database.write() as other:
            other.scalars(select(User)).one().username = "bea"
        assert session.scalar(select(User.username)) == "ann"
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
