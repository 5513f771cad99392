"""Numbers, sizes, durations and times as people read them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from lethe.server.pages.formatting import (
    count_text,
    duration_text,
    moment,
    paragraphs,
    score_text,
    size_text,
)


def test_moment_is_utc_and_unambiguous() -> None:
    there = timezone(timedelta(hours=-7))
    found = moment(datetime(2025, 3, 4, 22, 5, 59, tzinfo=there))
    assert found.text == "5 Mar 2025, 05:05 UTC"
    assert found.iso == "2025-03-05T05:05:59+00:00"


def test_moment_refuses_naive_times() -> None:
    with pytest.raises(ValueError, match="naive"):
        moment(datetime(2025, 3, 4))


@pytest.mark.parametrize(
    ("count_bytes", "text"),
    [
        (0, "0 bytes"),
        (1023, "1,023 bytes"),
        (1024, "1 KiB"),
        (131072, "128 KiB"),
        (2**31, "2 GiB"),
        (3 * 2**29, "1.5 GiB"),
        (2**42, "4,096 GiB"),
    ],
)
def test_sizes(count_bytes: int, text: str) -> None:
    assert size_text(count_bytes) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.5, "0.5 s"), (60, "60 s"), (119, "119 s"), (120, "2 min"), (3600, "1 h"), (5400, "1 h 30 min"), (3599, "1 h")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def test_scores_have_four_digits_and_no_negative_zero() -> None:
    assert [score_text(value) for value in (0.18744, 1.0, -0.0, -0.00001, -0.01)] == [
        "0.1874",
        "1.0000",
        "0.0000",
        "0.0000",
        "-0.0100",
    ]


def test_counts_agree_with_their_nouns() -> None:
    assert [count_text(count, "team") for count in (0, 1, 1200)] == ["0 teams", "1 team", "1,200 teams"]
    assert count_text(5, "person", "people") == "5 people"


def test_paragraphs_are_cut_at_blank_lines_only() -> None:
    assert paragraphs("one\nline\r\n\r\n  two \n \n\n\nthree\n") == ("one line", "two", "three")
    assert paragraphs(" \n\n") == ()


def test_moment_of_utc_is_itself() -> None:
    assert moment(datetime(2025, 12, 1, tzinfo=UTC)).text == "1 Dec 2025, 00:00 UTC"
