"""Dumps and restores the database with its own tools: pg_dump's custom format, SQLite's backup interface."""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import cast

from sqlalchemy import inspect, text
from sqlalchemy.orm import Session

from lethe.server.database.engine import Database
from lethe.server.errors import ConfigurationError, PlatformError

_TOOL_S = 6 * 3600.0


class DumpFailed(PlatformError):
    """A database tool failed; the message ends with its last lines."""

    code = "dump_failed"


def kind_of(database: Database) -> str:
    """`sqlite` or `postgresql`."""
    return "sqlite" if database.is_sqlite else "postgresql"


def start_snapshot(database: Database, session: Session) -> None:
    """Make `session`, and a dump made with it, see one moment of the database from now on."""
    if not database.is_sqlite:
        session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
    session.execute(text("SELECT count(*) FROM alembic_version"))  # on SQLite the first read fixes the moment


def dump(database: Database, session: Session, folder: Path) -> Path:
    """Dump what `session` sees after `start_snapshot`, and return the file; raises DumpFailed."""
    if database.is_sqlite:
        path = folder / "database.sqlite"
        with closing(sqlite3.connect(path)) as copy:
            _driver_connection(session).backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it
    else:
        path = folder / "database.dump"
        snapshot = session.scalar(text("SELECT pg_export_snapshot()"))
        _run_tool(
            database, "pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--snapshot={snapshot}",
            f"--file={path}",
        )  # fmt: skip
    path.chmod(0o600)
    return path


def is_empty(database: Database) -> bool:
    """Whether the database has no table at all; does not create a missing SQLite file."""
    if database.is_sqlite and not Path(database.url.database or "").exists():
        return True
    with database.engine.connect() as connection:
        return not inspect(connection).get_table_names()


def require_idle(database: Database) -> None:
    """Raise ConfigurationError while other programs are connected; SQLite cannot tell."""
    if database.is_sqlite:
        return
    with database.read() as session:
        others = session.scalar(
            text(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                "AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
        )
    if others:
        raise ConfigurationError(
            f"{others} other connections to this database are open: stop serve, control and other programs first"
        )


def restore(database: Database, path: Path) -> None:
    """Replace everything in the database by the dump at `path`; DumpFailed may leave the database empty."""
    if database.is_sqlite:
        with database.engine.connect() as connection, closing(sqlite3.connect(path)) as copy:
            target = cast(sqlite3.Connection, connection.connection.dbapi_connection)
            copy.backup(target)
        database.dispose()
        return
    with database.writer.begin() as connection:
        for table in inspect(connection).get_table_names():
            quoted = connection.dialect.identifier_preparer.quote(table)
            connection.exec_driver_sql(f"DROP TABLE {quoted} CASCADE")
    _run_tool(
        database, "pg_restore", "--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges", str(path)
    )


def _driver_connection(session: Session) -> sqlite3.Connection:
    return cast(sqlite3.Connection, session.connection().connection.dbapi_connection)


def _run_tool(database: Database, name: str, *arguments: str) -> None:
    program = shutil.which(name)
    if program is None:
        raise ConfigurationError(f"{name} is not installed (Debian, Ubuntu: apt-get install postgresql-client)")
    # Others may read the command line, so the password goes through the environment.
    url = database.url.set(drivername="postgresql", password=None).render_as_string(hide_password=False)
    password = {} if database.url.password is None else {"PGPASSWORD": str(database.url.password)}
    command: Sequence[str] = [program, f"--dbname={url}", "--no-password", *arguments]
    done = subprocess.run(
        command, env={**os.environ, **password}, capture_output=True, text=True, check=False, timeout=_TOOL_S
    )
    if done.returncode != 0:
        words = " ".join(done.stderr.split())[-600:]
        raise DumpFailed(f"{name} ended with code {done.returncode}: {words}")
