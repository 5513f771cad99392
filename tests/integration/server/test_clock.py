"""All processes of a site live by the clock of the database, so that a wrong one ends no lease and holds none."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from lethe.server.control.sweeper import SWEEPER, give_back_lease, sweep
from lethe.server.database.engine import Database
from lethe.server.models import Lease
from lethe.server.models.times import CLOCK, utc_now
from tests.integration.server.conftest import Site

FAST = timedelta(hours=3)


@pytest.fixture
def fast_clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This machine's clock is three hours ahead until the end of the test."""
    monkeypatch.setattr(CLOCK, "ahead", timedelta())
    monkeypatch.setattr(CLOCK, "local", lambda: datetime.now(UTC) + FAST)
    return


@pytest.mark.component("postgresql")
@pytest.mark.usefixtures("fast_clock")
def test_the_time_is_the_databases(postgres_url: str) -> None:
    assert utc_now() - datetime.now(UTC) > FAST / 2
    database = Database(postgres_url)
    with database.write() as session:
        (told,) = session.execute(text("SELECT txid_current_if_assigned() IS NULL")).one()
    database.dispose()
    assert told  # the question about the time began no transaction of its own
    assert abs(utc_now() - datetime.now(UTC)) < timedelta(minutes=1)
    assert abs(CLOCK.ahead - FAST) < timedelta(minutes=1)


def test_small_differences_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CLOCK, "ahead", timedelta())
    now = datetime.now(UTC)
    assert not CLOCK.compare(now, now + timedelta(seconds=0.4))
    assert CLOCK.ahead == timedelta()
    assert CLOCK.compare(now, now + timedelta(seconds=5))
    assert CLOCK.ahead == timedelta(seconds=-5)
    assert not CLOCK.compare(now, now + timedelta(seconds=5.2))
    assert CLOCK.compare(now, now)
    assert CLOCK.ahead == timedelta()


def test_one_control_sweeps_at_a_time_and_gives_its_lease_back(site: Site) -> None:
    assert sweep(site.context, "one")
    assert sweep(site.context, "one")
    assert not sweep(site.context, "two")
    give_back_lease(site.context, "two")  # which it has not
    assert not sweep(site.context, "two")
    give_back_lease(site.context, "one")
    assert sweep(site.context, "two")


def test_a_lease_of_a_wrong_clock_is_taken_over(site: Site) -> None:
    assert sweep(site.context, "one")
    with site.context.database.write() as session:
        lease = session.get(Lease, SWEEPER)
        assert lease is not None
        lease.expires_at += FAST
    assert sweep(site.context, "two")
