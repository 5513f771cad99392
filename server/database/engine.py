"""The database: one engine and its kinds of transaction, with the same code on SQLite and PostgreSQL."""

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, InvalidatePoolError, OperationalError
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

from lethe.server.database.file_systems import network_file_system
from lethe.server.database.pool import CountedPool
from lethe.server.errors import ConfigurationError, PlatformError
from lethe.server.logs import get_logger
from lethe.server.models.times import CLOCK

log = get_logger(__name__)

CONNECTIONS = 15
"""Connections of a process. They stay open, because opening one costs PostgreSQL more than using it."""
CONNECT_S = 10
"""Seconds to connect before the database counts as away; `connect_timeout` in its URL takes precedence."""
_BEGIN = "lethe_begin"
_REST_S = 1.0
_CLOCK_S = 60.0  # between two looks at the database's clock
_POSTGRESQL_DISK_FULL = "53100"
_PREPARE_AFTER = 5  # uses of a statement before the server keeps its plan
_STATEMENT_POOLING = "statement pooling"  # pgbouncer's words; its error codes are those of outages, too
MOVE_DATABASE = "set LETHE_DATABASE_URL to a PostgreSQL, or LETHE_HOME to a local disk"


class Database:
    """An engine and its kinds of transaction. Connects on first use, never at construction.

    Nothing here needs a session that outlasts a transaction, so PostgreSQL may stand behind a pooler. `is_pooled` says
    whether it does, and `weakness` why SQLite may lose or lock what it stores here; both are known once connected.
    """

    def __init__(self, url: str) -> None:
        try:
            parsed = make_url(url)
        except ArgumentError as error:
            raise ConfigurationError(
                "LETHE_DATABASE_URL is no address: write postgresql://user:password@host/database, with "
                "%40 for an @ and %2F for a / of the password"
            ) from error
        backend = parsed.get_backend_name()
        if backend not in {"sqlite", "postgresql"}:
            raise ConfigurationError(f"LETHE_DATABASE_URL names {backend}: use sqlite:///… or postgresql://…")
        if backend == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        self.is_sqlite = backend == "sqlite"
        self.url = parsed
        self.is_pooled = False
        self.weakness: str | None = None
        options: dict[str, Any] = {}
        if not self.is_sqlite:
            options["prepare_threshold"] = None  # until it is known who answers
            if "connect_timeout" not in parsed.query:
                options["connect_timeout"] = CONNECT_S
        self.engine: Engine = create_engine(
            parsed, poolclass=CountedPool, pool_size=CONNECTIONS, max_overflow=0, connect_args=options
        )
        self._reader = self._observer = self.engine
        if self.is_sqlite:
            _prepare_sqlite(self)
        else:
            _mind_poolers(self)
            _ping_after_rest(self.engine)
            _follow_clock(self.engine)
            # PostgreSQL gives each statement its own snapshot anyway; BEGIN and ROLLBACK cost as much as a statement.
            self._reader = self.engine.execution_options(isolation_level="AUTOCOMMIT")
            self._observer = self.engine.execution_options(isolation_level="REPEATABLE READ")
        self.writer = self.engine.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})

    @property
    def pool(self) -> CountedPool:
        """The connections of this process."""
        return cast(CountedPool, self.engine.pool)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Open a session that writes nothing. SQLite shows it one snapshot, PostgreSQL one for each statement.

        Raises ReadSessionChanged when the block changed an entity.
        """
        with _ReadSession(self._reader, expire_on_commit=False) as session:
            yield session
            session.flush()

    @contextmanager
    def snapshot(self) -> Iterator[Session]:
        """Open a session that writes nothing and sees one moment of the database, on SQLite and PostgreSQL.

        Raises ReadSessionChanged when the block changed an entity.
        """
        with _ReadSession(self._observer, expire_on_commit=False) as session:
            yield session
            session.flush()

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Open a session that commits when the block ends and rolls back when it raises.

        On SQLite it takes the write lock at its start: a deferred transaction that upgrades later fails with
        "database is locked" as soon as two writers meet.
        """
        with Session(self.writer, expire_on_commit=False) as session, session.begin():
            yield session

    def require_answer(self) -> None:
        """Raise ConfigurationError, in one line, when the database does not answer or cannot hold all characters."""
        try:
            with self._reader.connect() as connection:
                encoding = "UTF8" if self.is_sqlite else connection.exec_driver_sql("SHOW server_encoding").scalar_one()
        except OperationalError as error:
            self.refuse_statement_pooling(error)
            shown, reason = self.url.render_as_string(hide_password=True), " ".join(str(error.orig).split())
            raise ConfigurationError(
                f"the database {shown} does not answer, see LETHE_DATABASE_URL: {reason}"
            ) from error
        if encoding != "UTF8":
            raise ConfigurationError(
                f"the database has the encoding {encoding}: create it with ENCODING 'UTF8' TEMPLATE template0"
            )

    def refuse_statement_pooling(self, error: OperationalError) -> None:
        """Raise ConfigurationError if `error` is a pooler's that takes statements only, and no transactions."""
        if _STATEMENT_POOLING in str(error.orig):
            raise ConfigurationError(
                "LETHE_DATABASE_URL leads to a pooler of single statements: set its pool_mode = transaction"
            ) from error

    def require_direct(self, tool: str) -> None:
        """Raise ConfigurationError when a pooler stands before the database, which `tool` must reach itself.

        What pg_dump and pg_restore set for their session would remain for others who get it: an empty search path.
        """
        if not self.is_sqlite:
            self._reader.connect().close()
        if self.is_pooled:
            raise ConfigurationError(
                f"LETHE_DATABASE_URL leads through a connection pooler, and {tool} needs PostgreSQL itself: run this "
                "command with its own address in LETHE_DATABASE_URL"
            )

    def dispose(self) -> None:
        self.engine.dispose()


class ReadSessionChanged(PlatformError):
    """Code changed an entity of a read-only session, which would silently discard the change."""


class _ReadSession(Session):
    """Raises ReadSessionChanged instead of writing, or of discarding pending changes."""

    def flush(self, objects: Sequence[Any] | None = None) -> None:  # noqa: ARG002 - SQLAlchemy's signature
        """Raise ReadSessionChanged if anything would be written."""
        changed = [*self.new, *self.deleted, *(entity for entity in self.dirty if self.is_modified(entity))]
        if changed:
            raise ReadSessionChanged(f"a read-only session has changes, for example of {changed[0]!r}")


def _mind_poolers(database: Database) -> None:
    """Let the server keep plans, unless a pooler gives each transaction another server.

    There a statement would exist already, not at all, or be another one. A pooler announces a process of its own.
    """

    @event.listens_for(database.engine, "connect")
    def _compare(connection: Any, _record: ConnectionPoolEntry) -> None:
        (pid,) = connection.execute("SELECT pg_backend_pid()").fetchone()
        connection.rollback()
        if pid == connection.info.backend_pid:
            connection.prepare_threshold = _PREPARE_AFTER
        elif not database.is_pooled:
            database.is_pooled = True
            log.info("database_pooler_found", detail="statements are planned anew each time")


def _ping_after_rest(engine: Engine) -> None:
    """Ping the server before an idle connection is used again. A ping at each use would cost every transaction a round
    trip, and a server does not restart in less than `_REST_S`.
    """

    @event.listens_for(engine, "checkin")
    def _rest(_connection: Any, record: ConnectionPoolEntry) -> None:
        record.info["rests_since"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def _ping(connection: Any, record: ConnectionPoolEntry, _proxy: Any) -> None:
        if time.monotonic() - record.info.get("rests_since", time.monotonic()) < _REST_S:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise InvalidatePoolError from error


def _follow_clock(engine: Engine) -> None:
    """Compare this machine's clock with the server's on the first connection and every `_CLOCK_S` of use."""
    next_look = 0.0

    @event.listens_for(engine, "checkout")
    def _compare(connection: Any, _record: ConnectionPoolEntry, _proxy: Any) -> None:
        nonlocal next_look
        if time.monotonic() < next_look:
            return
        next_look = time.monotonic() + _CLOCK_S
        try:
            before = CLOCK.local()
            (told,) = connection.execute("SELECT clock_timestamp()").fetchone()
            after = CLOCK.local()
            connection.rollback()
        except engine.dialect.loaded_dbapi.Error as error:
            raise InvalidatePoolError from error
        if CLOCK.compare(before + (after - before) / 2, told):
            log.warning("clock_differs_from_database", ahead_s=round(CLOCK.ahead.total_seconds(), 1))


def _prepare_sqlite(database: Database) -> None:
    engine, path = database.engine, database.engine.url.database

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: ConnectionPoolEntry) -> None:
        _close(path)
        connection.isolation_level = None  # the driver must not open transactions of its own
        cursor = connection.cursor()
        cursor.execute("PRAGMA busy_timeout = 30000")
        (journal,) = cursor.execute("PRAGMA journal_mode = WAL").fetchone()
        cursor.execute("PRAGMA synchronous = FULL")  # an accepted upload survives a power cut
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA secure_delete = ON")  # what was deleted leaves no bytes in the file
        cursor.close()
        if path and database.weakness is None:
            database.weakness = _weakness_of_sqlite(Path(path), journal)
            if database.weakness is not None:
                log.warning("database_at_risk", reason=database.weakness, remedy=MOVE_DATABASE)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get(_BEGIN, "BEGIN"))


def _weakness_of_sqlite(path: Path, journal: str) -> str | None:
    kind = network_file_system(path)
    if kind is not None:
        return f"{path} is on a network file system ({kind}), where SQLite's locks and its shared memory do not work"
    if journal not in {"wal", "memory"}:
        return f"SQLite cannot write {path} ahead (journal mode {journal}): readers and writers wait for each other"
    return None


def _close(path: str | None) -> None:
    """Let only the owner read the file and what SQLite keeps beside it, which takes its mode when it is made."""
    for suffix in ("", "-wal", "-shm"):
        with suppress(OSError):  # of another owner, not there, or in memory
            Path(f"{path}{suffix}").chmod(0o600)


def is_disk_full(error: BaseException) -> bool:
    """Whether the database failed because its disk is full."""
    cause = getattr(error, "orig", None)
    if isinstance(cause, sqlite3.Error):
        return getattr(cause, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    return getattr(cause, "sqlstate", None) == _POSTGRESQL_DISK_FULL
