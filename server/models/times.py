"""The time of the site, and its column type: aware and in UTC on both databases."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import DateTime, Dialect, TypeDecorator

TOLERATED_S = 0.5
"""Seconds by which clocks may differ; less is what measuring takes on a busy network."""


class Clock:
    """This machine's clock, set to that of the database, so that all processes of a site agree about leases."""

    def __init__(self) -> None:
        self.ahead = timedelta()  # of this machine before the database

    def now(self) -> datetime:
        """Return the time of the database."""
        return self.local() - self.ahead

    def local(self) -> datetime:
        """Return what this machine takes for the time."""
        return datetime.now(UTC)

    def compare(self, local: datetime, other: datetime) -> bool:
        """Follow a database whose clock said `other` when this machine's said `local`; True if the time changes.

        Small differences are left alone: time must not jump back by what the question took.
        """
        ahead = local - other
        if abs(ahead - self.ahead) < timedelta(seconds=TOLERATED_S):
            return False
        self.ahead = ahead
        return True


CLOCK = Clock()


def utc_now() -> datetime:
    """Return the time of the site: the database's where there is a server of one; aware, in UTC."""
    return CLOCK.now()


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time in UTC on both databases; SQLite itself stores no zone. Raises ValueError for naive times."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is not None and value.tzinfo is None:
            raise ValueError("naive datetime: pass an aware one")
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
