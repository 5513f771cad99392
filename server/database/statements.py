"""Statements that are built once: building one costs SQLAlchemy as much time as PostgreSQL takes to answer it."""

from collections.abc import Callable
from enum import StrEnum
from functools import cache
from typing import Any, Generic, ParamSpec

from sqlalchemy import ColumnElement, CursorResult, Executable, Result, String, literal_column
from sqlalchemy.orm import Session

P = ParamSpec("P")


class PreparedStatement(Generic[P]):
    """A statement with bound parameters, built on first use and kept for the life of the process.

    Made by `prepared` from a function that builds it. Arguments of that function choose between variants; values of
    bound parameters are passed when the statement runs. Pending changes of the session are written first.
    """

    def __init__(self, build: Callable[P, Executable]) -> None:
        self.__name__, self.__doc__ = build.__name__, build.__doc__
        self._build: Callable[..., Executable] = cache(build)

    def variant(self, *args: P.args, **kwargs: P.kwargs) -> Executable:
        """Return the statement itself, to be run or to become a part of another one."""
        return self._build(*args, **kwargs)

    def rows(self, session: Session, *variant: Any, **values: Any) -> CursorResult[*tuple[Any, ...]]:
        """Run the statement and return rows with the columns' labels, past the identity map."""
        session.flush()
        return session.connection().execute(self._build(*variant), values)

    def entities(self, session: Session, *variant: Any, **values: Any) -> Result[*tuple[Any, ...]]:
        """Run the statement and return the entities that it selects, as objects of the session."""
        return session.execute(self._build(*variant), values)


def prepared(build: Callable[P, Executable]) -> PreparedStatement[P]:
    """Turn a function that builds a statement into a `PreparedStatement` with its name and docstring.

    >>> @prepared
    ... def team_ids() -> Select[UUID]:
    ...     "Teams of the competition `slug`."
    ...     return select(Team.id).join(Competition).where(Competition.slug == bindparam("slug"))
    >>> team_ids.rows(session, slug="demo").scalars()
    """
    return PreparedStatement(build)


def constant(value: StrEnum) -> ColumnElement[str]:
    """Return `value` as part of a statement's text, so that prepared plans know how many rows have it."""
    return literal_column(f"'{value}'", String)
