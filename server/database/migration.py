"""Migrates the database to the newest schema, and reports differences between code and schema."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from lethe.server.database.engine import Database
from lethe.server.errors import ConfigurationError, PlatformError
from lethe.server.logs import get_logger
from lethe.server.models import Base

log = get_logger(__name__)

_LOCK = 0x6C65746865  # "lethe": PostgreSQL's advisory lock around migrations


def migrate(database: Database) -> None:
    """Apply all missing revisions in one transaction; safe when several processes start at once.

    Raises ConfigurationError when the database does not answer.
    """
    database.require_answer()
    with database.writer.connect() as connection, _free_of_foreign_keys(connection), connection.begin():
        if not database.is_sqlite:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
        command.upgrade(alembic_config(connection), "head")
        if database.is_sqlite and (broken := connection.exec_driver_sql("PRAGMA foreign_key_check").all()):
            raise PlatformError(f"the migration broke references and was rolled back: {broken[:3]}")


@contextmanager
def _free_of_foreign_keys(connection: Connection) -> Iterator[None]:
    """Switch foreign keys off: SQLite alters a table by dropping it, which would delete or refuse referring rows.

    The switch works only outside of a transaction, so it is set on the driver's connection before one begins.
    """
    driver = connection.connection.driver_connection
    if connection.dialect.name != "sqlite" or driver is None:
        yield
        return
    driver.execute("PRAGMA foreign_keys = OFF")
    try:
        yield
    finally:
        driver.execute("PRAGMA foreign_keys = ON")


def alembic_config(connection: Connection) -> Config:
    """Alembic's configuration for the revisions of this installation, on an open connection."""
    config = Config()
    config.set_main_option("script_location", str(files("lethe.migrations")))
    config.attributes["connection"] = connection
    return config


def is_empty(database: Database) -> bool:
    """Return whether no migration was ever applied to the database."""
    with database.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision() is None


def schema_fault(database: Database) -> str | None:
    """Return the schema's fault and the command that fixes it, or None; raises SQLAlchemyError during an outage."""
    with database.engine.connect() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    config = Config()
    config.set_main_option("script_location", str(files("lethe.migrations")))
    newest = ScriptDirectory.from_config(config).get_current_head()
    if found == newest:
        return None
    if found is None or found in revisions():
        return f"the database has schema {found or 'none'}, this Lethe needs {newest}: run lethe migrate"
    return f"the database has schema {found}, made by a newer Lethe than this one ({newest}): upgrade this installation"


def require_newest(database: Database) -> None:
    """Raise ConfigurationError when the schema is not this installation's; log a database that is away, and go on."""
    try:
        fault = schema_fault(database)
    except OperationalError as error:
        database.refuse_statement_pooling(error)
        if not database.is_sqlite:  # a file that cannot be opened is found out when the home folder is prepared
            log.warning("database_unavailable", error=" ".join(str(error.orig).split()))
        return
    if fault is not None:
        raise ConfigurationError(fault)


def revisions() -> set[str]:
    """Return the schema revisions that this installation knows."""
    config = Config()
    config.set_main_option("script_location", str(files("lethe.migrations")))
    return {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}


def schema_differences(database: Database) -> list[Any]:
    """Return the changes that Alembic would make to fit the database to the models; empty when they agree."""
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, Base.metadata))
