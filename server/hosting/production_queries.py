"""SQL that says whether a site is ready for the public."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Row, bindparam, select, text
from sqlalchemy.orm import Session

from lethe.server.models import User, Worker


def server_settings(session: Session, names: Iterable[str]) -> dict[str, str]:
    """Return these settings of the PostgreSQL server, as this session has them."""
    statement = text("SELECT name, setting FROM pg_settings WHERE name IN :names")
    rows = session.execute(statement.bindparams(bindparam("names", expanding=True)), {"names": list(names)})
    return {row.name: row.setting for row in rows}


def is_encrypted(session: Session) -> bool:
    """Whether the connection to PostgreSQL, or to the pooler before it, uses TLS."""
    driver: Any = session.connection().connection.driver_connection
    return bool(driver.pgconn.ssl_in_use)


def operator_names(session: Session) -> Sequence[str]:
    """Return the names of operators whose account is enabled, sorted."""
    enabled = select(User.username).where(User.is_operator, User.disabled_at.is_(None))
    return session.scalars(enabled.order_by(User.username_key)).all()


def worker_isolation(session: Session) -> Sequence[Row[str, str]]:
    """Return each worker's name and the sandbox mode that it registered with."""
    mode = Worker.capabilities["sandbox_mode"].as_string()
    return session.execute(select(Worker.name, mode).order_by(Worker.name)).all()
