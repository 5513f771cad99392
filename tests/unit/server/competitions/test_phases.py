"""The calendar: every phase, its borders, and refusals that name the time."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lethe.evaluator.contract.phrases import span_text, time_text
from lethe.evaluator.contract.specification_file import SpecificationError, load_specification
from lethe.evaluator.contract.states import Evaluation
from lethe.server.competitions.phases import (
    CompetitionClosed,
    CompetitionNotStarted,
    CompetitionPaused,
    Phase,
    describe,
    evaluation_of_uploads,
    is_benchmark,
    phase,
    phase_of,
    require_not_over,
    require_open,
)
from lethe.server.models import Competition

START = datetime(2026, 3, 1, tzinfo=UTC)
END = datetime(2026, 4, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def competition(**changes: object) -> Competition:
    values = {"slug": "faces", "opened_at": START - timedelta(days=9), "public_starts_at": START, "public_ends_at": END}
    return Competition(**(values | changes))


@pytest.mark.parametrize(
    ("changes", "now", "expected"),
    [
        ({"opened_at": None}, START, Phase.DRAFT),
        ({}, START - SECOND, Phase.PRACTICE),
        ({}, START, Phase.OPEN),
        ({}, END - SECOND, Phase.OPEN),
        ({}, END, Phase.CLOSED),
        ({"public_starts_at": None, "public_ends_at": None}, END, Phase.OPEN),
        ({"closed_at": START + SECOND}, START + SECOND, Phase.CLOSED),
        ({"closed_at": START + SECOND}, START, Phase.OPEN),
        ({"paused_at": START}, START, Phase.PAUSED),
        ({"paused_at": START}, END, Phase.CLOSED),
        ({"finals_started_at": END}, END, Phase.FINAL),
        ({"finals_started_at": END, "revealed_at": END}, END, Phase.REVEALED),
    ],
)
def test_the_phase_follows_from_clock_and_acts(changes: dict[str, object], now: datetime, expected: Phase) -> None:
    found = competition(**changes)
    assert phase(found, now) is expected
    if expected is Phase.OPEN:
        require_open(found, now)
    assert describe(found, now).startswith(f"faces is {expected.value}")


def test_refusals_name_the_time() -> None:
    with pytest.raises(CompetitionNotStarted, match=r"until 1 Mar 2026, 00:00 UTC, in 2 d 3 h\.") as early:
        require_open(competition(), START - timedelta(days=2, hours=3, minutes=4))
    with pytest.raises(CompetitionClosed, match=r"closed on 1 Apr 2026, 00:00 UTC.*1 min 9 s late") as late:
        require_open(competition(), END + timedelta(seconds=69.4))
    with pytest.raises(CompetitionPaused, match="paused") as paused:
        require_open(competition(paused_at=START), START)
    with pytest.raises(CompetitionNotStarted, match="takes no uploads yet"):
        require_open(competition(opened_at=None, public_starts_at=None), START)
    codes = {refusal.value.code for refusal in (early, late, paused)}
    assert codes == {"competition_not_started", "competition_closed", "competition_paused"}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "1 s"), (59.9, "59 s"), (60, "1 min"), (7_500, "2 h 5 min"), (266_400, "3 d 2 h"), (3_605, "1 h")],
)
def test_spans_have_two_units(seconds: float, text: str) -> None:
    assert span_text(timedelta(seconds=seconds)) == text


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("public_start = 2026-03-01T00:00:00", "phases.public_start: .*timezone"),
        ('public_end = "2026-03-01 00:00"', "phases.public_end: .*timezone"),
        ("public_end = 2026-03-01", "phases.public_end"),
        ("public_start = 2026-03-01T00:00:00Z\npublic_end = 2026-03-01T00:00:00Z", "must follow each other"),
        ("public_end = 2026-03-01T00:00:00Z\nfinal_end = 2026-02-01T00:00:00Z", "must follow each other"),
    ],
)
def test_times_without_a_zone_or_out_of_order_are_refused(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "c.toml"
    path.write_text(f'slug = "a"\ntitle = "x"\n[phases]\n{line}\n')
    with pytest.raises(SpecificationError, match=message):
        load_specification(path)


def test_times_are_told_in_utc_whatever_their_offset() -> None:
    assert time_text(datetime.fromisoformat("2026-03-01T01:30:00+02:00")) == "28 Feb 2026, 23:30 UTC"


def test_offsets_are_kept_apart_from_utc(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text(
        'slug = "a"\ntitle = "x"\n[phases]\n'
        'public_start = 2026-03-01T02:00:00+02:00\npublic_end = "2026-04-01T00:00:00Z"\n'
    )
    phases = load_specification(path).phases
    assert (phases.public_start, phases.public_end) == (START, END)


def test_a_benchmark_takes_uploads_after_the_reveal_until_it_ends() -> None:
    over = {"closed_at": END, "finals_started_at": END, "revealed_at": END}
    later = END + timedelta(days=400)
    with pytest.raises(CompetitionClosed, match="400 d late"):
        require_open(competition(**over), later)
    kept = competition(**over, benchmark_started_at=END)
    require_open(kept, later)
    assert (phase(kept, later), is_benchmark(kept)) == (Phase.REVEALED, True)
    assert evaluation_of_uploads(kept) is Evaluation.BENCHMARK
    assert evaluation_of_uploads(competition(**over)) is Evaluation.PUBLIC
    assert describe(kept, later) == "faces is revealed; it is a benchmark since 1 Apr 2026, 00:00 UTC."
    with pytest.raises(CompetitionClosed):
        require_not_over(kept, later)  # nobody selects for the finals any more
    ended = competition(**over, benchmark_started_at=END, benchmark_ended_at=END + SECOND)
    with pytest.raises(CompetitionClosed, match="The benchmark of faces ended on 1 Apr 2026, 00:00 UTC"):
        require_open(ended, later)
    assert describe(ended, later) == "faces is revealed; its benchmark ended 1 Apr 2026, 00:00 UTC."


@pytest.mark.parametrize("revealed_at", [None, END])
def test_what_a_benchmark_runs_stays_hidden_for_ever(revealed_at: datetime | None) -> None:
    found = competition(revealed_at=revealed_at)
    assert phase_of(found, Evaluation.BENCHMARK) is Phase.OPEN
    assert phase_of(found, Evaluation.PUBLIC) is phase(found)
