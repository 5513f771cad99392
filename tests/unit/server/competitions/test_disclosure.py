"""The leak policy: digits, steps and who sees what."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lethe.server.competitions.disclosure import (
    CheckTimes,
    Viewer,
    moved_progress,
    round_score,
    round_shares,
    round_time,
    shown_from,
    shown_receipt,
    shown_state,
    shows_fault_details,
    shows_plot,
    visibility,
)
from lethe.server.competitions.phases import Phase

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


def test_progress_moves_in_tenths_once_in_each_step_of_the_clock() -> None:
    at = datetime(2026, 3, 1, 12, 30, 1, tzinfo=UTC)
    assert moved_progress(0, None, done=31, total=32, now=at, step_s=60) == 28
    for second in (2, 58):  # looked at again within the step: whatever has ended since waits
        assert moved_progress(28, at, done=32, total=32, now=at + timedelta(seconds=second), step_s=60) is None
    assert moved_progress(28, at, done=32, total=32, now=at + timedelta(seconds=59), step_s=60) == 32
    assert moved_progress(28, at, done=2, total=32, now=at + timedelta(seconds=59), step_s=60) == 28  # never back
    assert moved_progress(28, at, done=32, total=32, now=at + timedelta(seconds=28), step_s=0) is None
    assert moved_progress(28, at, done=32, total=32, now=at + timedelta(seconds=29), step_s=0) == 32


def test_what_happens_shows_at_the_end_of_its_step() -> None:
    assert shown_from(NOW, 60) == datetime(2026, 3, 1, 12, 31, tzinfo=UTC)
    assert shown_from(datetime(2026, 3, 1, 12, 31, tzinfo=UTC), 60) == datetime(2026, 3, 1, 12, 32, tzinfo=UTC)
    assert shown_from(NOW, 0) is None


def test_scoring_shows_only_where_ends_show_at_once() -> None:
    done = CheckTimes(NOW, NOW)
    assert shown_state("scoring", None, done, moment=NOW, step_s=60) == "running"
    assert shown_state("scoring", None, done, moment=NOW, step_s=0) == "scoring"
    assert shown_state("failed", None, done, moment=NOW, step_s=60) == "failed"


@pytest.mark.parametrize(
    ("claimed", "done", "state", "shown"),
    [
        (None, None, "queued", "queued"),
        (1, None, "checking", "queued"),
        (-1, None, "checking", "checking"),
        (1, 2, "running", "queued"),
        (-1, 2, "running", "checking"),
        (-2, -1, "running", "running"),
        (1, 2, "cancelled", "cancelled"),
    ],
)
def test_a_check_shows_at_the_step_after_it(claimed: int | None, done: int | None, state: str, shown: str) -> None:
    times = (None if second is None else NOW + timedelta(seconds=second) for second in (claimed, done))
    assert shown_state(state, None, CheckTimes(*times), moment=NOW, step_s=60) == shown
    assert shown_state(state, None, CheckTimes(), moment=NOW, step_s=0) == state


def test_a_check_that_failed_is_a_check_until_its_end_shows() -> None:
    assert shown_state("scoring", "check", CheckTimes(NOW, NOW), moment=NOW, step_s=60) == "checking"


@pytest.mark.parametrize("phase", list(Phase))
def test_who_sees_what(phase: Phase) -> None:
    team, stranger, host = (visibility(viewer, phase) for viewer in (Viewer.TEAM, Viewer.STRANGER, Viewer.HOST))
    assert (team.own, stranger.own, host.own) == (True, False, True)
    assert (team.exact, stranger.exact, host.exact) == (False, False, True)
    assert team.metric == team.final == stranger.final == (phase is Phase.REVEALED)
    assert shows_fault_details("check", team)
    assert not shows_fault_details("run", team)
    assert not shows_fault_details("check", stranger)
    assert shows_fault_details("run", host)


@pytest.mark.parametrize("phase", list(Phase))
@pytest.mark.parametrize("outputs_after_reveal", [False, True])
def test_outputs_are_the_teams_after_the_reveal_where_the_specification_says_so(
    phase: Phase, outputs_after_reveal: bool
) -> None:
    team, stranger, host = (
        visibility(viewer, phase, outputs_after_reveal=outputs_after_reveal)
        for viewer in (Viewer.TEAM, Viewer.STRANGER, Viewer.HOST)
    )
    is_revealed = phase is Phase.REVEALED
    assert (team.outputs, stranger.outputs, host.outputs) == (is_revealed and outputs_after_reveal, False, True)
    assert shows_plot("margins", team) is team.outputs
    assert shows_plot("histogram", team) is (is_revealed and not outputs_after_reveal)
    assert shows_plot("histogram", stranger) is is_revealed
    assert not shows_plot("margins", stranger)
    assert shows_plot("margins", host)


@given(st.lists(st.integers(0, 1_000), min_size=1, max_size=15))
def test_shares_are_multiples_of_five_percent_and_sum_to_all(counts: list[int]) -> None:
    shares = round_shares(counts)
    assert sum(shares) == (100 if any(counts) else 0)
    assert all(share >= 0 and share % 5 == 0 for share in shares)
    assert all(
        abs(share - 100 * count / sum(counts)) <= 5 for share, count in zip(shares, counts, strict=True) if count
    )


def test_shares_of_a_hundred() -> None:
    assert round_shares([3, 47, 0, 50]) == (5, 45, 0, 50)


def test_receipts_name_nothing_hidden() -> None:
    team = visibility(Viewer.TEAM, Phase.OPEN)
    shown, other = (shown_receipt(RECEIPT, secret=secret * 32, visible=team) for secret in ("ab", "cd"))
    assert set(shown) == {"source_sha256", "oracles", "data_mark", "oracles_mark"}
    assert shown["data_mark"] != other["data_mark"]
    assert "d" not in shown.values()
    assert "rule" in shown_receipt(RECEIPT, secret="ab" * 32, visible=visibility(Viewer.TEAM, Phase.REVEALED))
    assert shown_receipt(RECEIPT, secret="ab" * 32, visible=visibility(Viewer.HOST, Phase.OPEN)) == RECEIPT
