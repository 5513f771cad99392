"""The leaderboard as words and drawings."""

from datetime import UTC, datetime

from server.leaderboard.schemas import Leaderboard, LeaderboardRow
from server.pages.board import board
from server.submissions.schemas import IntervalView


def row(name: str, score: float, *, rank: int | None = None, reference: str | None = None) -> LeaderboardRow:
    return LeaderboardRow(
        rank=rank,
        team=name,
        score=score,
        interval=IntervalView(low=max(0.0, score - 0.02), high=score + 0.02),
        entries=0 if reference else 2,
        last_scored_at=None if reference else datetime(2025, 5, 20, 9, 31, tzinfo=UTC),
        reference=reference,
    )


def standings(*rows: LeaderboardRow) -> Leaderboard:
    return Leaderboard(
        competition="c",
        title="C",
        view="public",
        updated_at=None,
        frozen=False,
        teams=len(rows),
        next_offset=None,
        rows=list(rows),
    )


CEILING = row("Ceiling", 0.21, reference="ceiling")
FLOOR = row("Floor", 0.0, reference="floor")


def test_ties_are_shared_ranks_of_teams_only() -> None:
    found = board(standings(CEILING, row("a", 0.2, rank=1), row("b", 0.19, rank=1), row("c", 0.1, rank=3), FLOOR))
    assert [(line.rank, line.is_shared) for line in found.rows] == [
        ("", False),
        ("1", True),
        ("1", True),
        ("3", False),
        ("", False),
    ]
    assert found.teams == 3


def test_a_row_in_words() -> None:
    line = board(standings(CEILING, row("a", 0.1874, rank=1), FLOOR)).rows[1]
    assert (line.score, line.interval, line.entries) == ("0.1874", "0.1674 to 0.2074", 2)
    assert line.last is not None
    assert line.last.text == "20 May 2025, 09:31 UTC"
    assert line.drawing.alternative == ("0.1874, 95% interval 0.1674 to 0.2074; beside ceiling 0.2100 and floor 0.0000")


def test_drawings_share_one_scale() -> None:
    found = board(standings(CEILING, row("a", 0.2, rank=1), row("b", 0.1, rank=2), FLOOR))
    ceiling, first, second, floor = (line.drawing for line in found.rows)
    assert floor.score_x < second.score_x < first.score_x < ceiling.score_x
    assert second.low_x < second.score_x < second.high_x
    assert first.bar_x == second.bar_x == floor.score_x
    assert first.bar_x + first.bar_width == first.score_x
    assert floor.bar_width == 0
    mark = found.references[0]
    assert (mark.kind, mark.x) == ("ceiling", ceiling.score_x)
    assert (mark.band_x, round(mark.band_x + mark.band_width, 2)) == (ceiling.low_x, ceiling.high_x)


def test_a_negative_score_is_drawn_left_of_zero() -> None:
    found = board(standings(row("a", 0.1, rank=1), row("b", -0.05, rank=2)))
    assert found.rows[1].drawing.bar_x == found.rows[1].drawing.score_x < found.rows[0].drawing.bar_x


def test_a_shortened_board_keeps_references_and_scale() -> None:
    whole = board(standings(CEILING, *(row(str(k), 0.2 - k / 100, rank=k + 1) for k in range(9)), FLOOR))
    top = board(standings(CEILING, *(row(str(k), 0.2 - k / 100, rank=k + 1) for k in range(9)), FLOOR), limit=2)
    assert [line.name for line in top.rows] == ["Ceiling", "0", "1", "Floor"]
    assert top.rows[1] == whole.rows[1]
    assert (top.ticks, top.references, top.teams) == (whole.ticks, whole.references, 9)


def test_an_empty_board() -> None:
    found = board(standings())
    assert (found.rows, found.teams, found.references, found.updated) == ((), 0, (), None)
