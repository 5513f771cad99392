"""The leaderboard as words and drawings."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from lethe.server.leaderboard.board_page import BoardPage, TeamRow
from lethe.server.leaderboard.schemas import ColumnView, IntervalView, LeaderboardRow
from lethe.server.pages.board import board, spark

NOW = datetime(2025, 5, 20, 9, 31, tzinfo=UTC)


def line(name: str, score: float, *, rank: int | None = None, reference: str | None = None) -> LeaderboardRow:
    return LeaderboardRow(
        rank=rank,
        team=name,
        score=score,
        interval=IntervalView(low=max(min(0.0, score), score - 0.02), high=score + 0.02),
        entries=0 if reference else 2,
        last_scored_at=None if reference else NOW,
        reference=reference,
    )


def team(name: str, score: float, *, rank: int = 1, public_rank: int | None = None, **more: Any) -> TeamRow:
    shown = line(name, score, rank=rank).model_copy(update={"public_rank": public_rank})
    values: dict[str, Any] = {"is_shared": False, "members": (name,), "moved": 0, "best": ((NOW, score),)}
    return TeamRow(line=shown, **(values | more))


def table(*rows: TeamRow | LeaderboardRow) -> BoardPage:
    lines = [row if isinstance(row, LeaderboardRow) else row.line for row in rows]
    return BoardPage(
        rows=rows,
        columns=(),
        tasks=tuple(dict.fromkeys(name for one in lines for name in one.tasks)),
        references=tuple(row for row in rows if isinstance(row, LeaderboardRow)),
        low=min((row.interval.low for row in lines), default=0.0),
        top=max((row.interval.high for row in lines), default=0.0),
        is_zoomed=False,
        since=NOW,
        found=sum(isinstance(row, TeamRow) for row in rows),
        teams=sum(isinstance(row, TeamRow) for row in rows),
        entries=2,
        updated_at=NOW + timedelta(hours=1) if rows else None,
    )


CEILING = line("Ceiling", 0.21, reference="ceiling")
FLOOR = line("Floor", 0.0, reference="floor")
BASELINE = line("finetune", 0.03, reference="baseline")


def test_a_row_in_words() -> None:
    row = board(table(CEILING, team("a", 0.1874, members=("ann", "bob"), moved=-2), BASELINE, FLOOR)).rows[1]
    assert (row.rank, row.score, row.interval, row.entries) == ("1", "0.1874", "0.1674 to 0.2074", 2)
    assert (row.members, row.last and row.last.text) == ("ann, bob", "20 May 2025, 09:31 UTC")
    assert row.drawing.alternative == ("0.1874, 95% interval 0.1674 to 0.2074; beside ceiling 0.2100 and floor 0.0000")
    assert row.move is not None
    assert (row.move.kind, row.move.text, row.move.words) == ("down", "▼ 2", "2 places down since yesterday")


def test_moves() -> None:
    rows = board(table(*(team(str(moved), 0.1, moved=moved) for moved in (1, 0, None)))).rows
    assert [(row.move.text, row.move.words) for row in rows if row.move] == [
        ("▲ 1", "1 place up since yesterday"),
        ("–", "no change since yesterday"),
        ("new", "not on the board yesterday"),
    ]
    (final,) = board(table(team("a", 0.1, rank=3, public_rank=1, moved=9))).rows
    assert final.move is not None
    assert final.move.words == "2 places down against the public board"


def test_who_is_alone_and_bears_the_teams_name_is_not_named_twice() -> None:
    assert [row.members for row in board(table(team("ann", 0.1), CEILING)).rows] == ["", ""]


def test_drawings_share_one_scale() -> None:
    found = board(table(CEILING, team("a", 0.2), team("b", 0.1, rank=2), BASELINE, FLOOR))
    ceiling, first, second, _, floor = (row.drawing for row in found.rows)
    assert floor.score_x < second.score_x < first.score_x < ceiling.score_x
    assert second.low_x < second.score_x < second.high_x
    assert first.bar_x == second.bar_x == floor.score_x
    assert first.bar_x + first.bar_width == first.score_x
    assert floor.bar_width == 0
    assert [mark.kind for mark in found.references] == ["ceiling", "floor"]
    mark = found.references[0]
    assert mark.x == ceiling.score_x
    assert (mark.band_x, round(mark.band_x + mark.band_width, 2)) == (ceiling.low_x, ceiling.high_x)


def test_references_of_zero_and_missing_ones_are_no_hindrance() -> None:
    zero = line("Ceiling", 0.0, reference="ceiling")
    found = board(table(zero, team("a", 0.0), FLOOR))
    assert {row.drawing.score_x for row in found.rows} == {mark.x for mark in found.references}
    assert found.rows[1].drawing.alternative.endswith("; beside ceiling 0.0000 and floor 0.0000")
    (alone,) = board(table(team("a", 0.1))).rows
    assert "beside" not in alone.drawing.alternative


def test_a_negative_score_is_drawn_left_of_zero() -> None:
    found = board(table(team("a", 0.1), team("b", -0.05, rank=2)))
    assert found.rows[1].drawing.bar_x == found.rows[1].drawing.score_x < found.rows[0].drawing.bar_x


def test_a_spark_steps_up_to_the_present_score() -> None:
    drawn = spark(((NOW, 0.1), (NOW + timedelta(hours=2), 0.2)), NOW, NOW + timedelta(hours=4))
    assert drawn is not None
    assert drawn.path == "M0 10H36V1H72"
    assert drawn.alternative == (
        "First score 0.1000 on 20 May 2025, 09:31 UTC; raised once, to 0.2000 on 20 May 2025, 11:31 UTC"
    )
    assert spark((), NOW, NOW) is None
    flat = spark(((NOW, 0.0),), NOW, NOW)
    assert flat is not None
    assert flat.path == "M0 19H72"


def test_an_empty_board() -> None:
    found = board(table())
    assert (found.rows, found.teams, found.references, found.updated) == ((), 0, (), None)


def test_columns_stand_in_every_row_and_a_missing_value_is_empty() -> None:
    ann = team("ann", 0.2)
    measured = replace(ann, line=ann.line.model_copy(update={"measures": {"klom_p95": 1.284}}))
    column = ColumnView(key="klom_p95", title="KLoM p95", unit="nats", best="oracles")
    drawn = board(replace(table(measured, team("bob", 0.1)), columns=(column,)))
    assert drawn.columns == ("KLoM p95, nats",)
    assert [row.measures for row in drawn.rows] == [(("KLoM p95, nats", "1.28"),), (("KLoM p95, nats", ""),)]
