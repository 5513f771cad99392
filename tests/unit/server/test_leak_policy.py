"""The leak policy: digits, steps and who sees what."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.competitions.phases import Phase
from server.leaks import (
    PROGRESS_EVERY_S,
    Viewer,
    moved_progress,
    round_score,
    round_time,
    shown_receipt,
    shows_fault_details,
    sight,
)

NOW = datetime(2026, 3, 1, 12, 30, 59, 123_456, tzinfo=UTC)
RECEIPT = {"source_sha256": "s", "data_sha256": "d", "bank_digest": "b", "rule": "exact", "findings": [], "oracles": 8}


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0, 0.0), (0.123456, 0.123), (0.0123456, 0.0123), (0.00004, 0.0), (1.23456, 1.23), (-0.0123, -0.0123)],
)
def test_scores_have_three_digits_and_four_decimals_at_most(value: float, shown: float) -> None:
    assert round_score(value) == shown


@given(st.floats(0, 1))
def test_a_score_is_one_of_two_thousand_values(value: float) -> None:
    assert round(round_score(value) * 10_000) in {*range(1_000), *range(1_000, 10_001, 10)}


def test_times_are_to_the_minute() -> None:
    assert round_time(NOW) == datetime(2026, 3, 1, 12, 30, tzinfo=UTC)


def test_progress_moves_in_tenths_half_a_minute_apart() -> None:
    assert moved_progress(0, None, done=31, total=32, now=NOW) == 28
    soon, later = (NOW + timedelta(seconds=PROGRESS_EVERY_S + add) for add in (-0.1, 0))
    assert moved_progress(28, NOW, done=32, total=32, now=soon) is None
    assert moved_progress(28, NOW, done=32, total=32, now=later) == 32
    assert moved_progress(28, NOW, done=31, total=32, now=later) is None  # nothing new to show


@pytest.mark.parametrize("phase", list(Phase))
def test_who_sees_what(phase: Phase) -> None:
    team, stranger, host = (sight(viewer, phase) for viewer in (Viewer.TEAM, Viewer.STRANGER, Viewer.HOST))
    assert (team.own, stranger.own, host.own) == (True, False, True)
    assert (team.exact, stranger.exact, host.exact) == (False, False, True)
    assert team.metric == team.final == stranger.final == (phase is Phase.REVEALED)
    assert shows_fault_details("check", team)
    assert not shows_fault_details("run", team)
    assert not shows_fault_details("check", stranger)
    assert shows_fault_details("run", host)


def test_receipts_name_nothing_hidden() -> None:
    team = sight(Viewer.TEAM, Phase.OPEN)
    shown, other = (shown_receipt(RECEIPT, secret=secret * 32, seen=team) for secret in ("ab", "cd"))
    assert set(shown) == {"source_sha256", "oracles", "data_mark", "oracles_mark"}
    assert shown["data_mark"] != other["data_mark"]
    assert "d" not in shown.values()
    assert "rule" in shown_receipt(RECEIPT, secret="ab" * 32, seen=sight(Viewer.TEAM, Phase.REVEALED))
    assert shown_receipt(RECEIPT, secret="ab" * 32, seen=sight(Viewer.HOST, Phase.OPEN)) == RECEIPT
