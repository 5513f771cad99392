"""The drawing of a team's scores: in the order of the uploads, with the best so far, rounded as scores are."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from lethe.server.pages.scale import scale_for
from lethe.server.pages.submissions.history import DRAWN, ScoreHistory, score_history
from lethe.server.submissions.improvement import ScoredSubmission

WHEN = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)


def scored(*scores: float) -> list[ScoredSubmission]:
    return [
        ScoredSubmission(UUID(int=n), UUID(int=n), "a.py", WHEN, score, score - 0.01, score + 0.01, None)
        for n, score in enumerate(scores)
    ]


def drawn(*scores: float) -> ScoreHistory:
    found = score_history(scored(*scores), (), scale_for([0.0, 0.25]))
    assert found is not None
    return found


def test_one_score_is_no_history() -> None:
    assert score_history(scored(0.1), (), scale_for([1.0])) is None


def test_scores_go_from_left_to_right_and_the_best_line_never_falls() -> None:
    found = drawn(0.05, 0.15, 0.1, 0.2)
    assert [dot.x for dot in found.dots] == sorted(dot.x for dot in found.dots)
    assert [dot.is_best for dot in found.dots] == [True, True, False, True]
    assert all(dot.high_y < dot.y < dot.low_y for dot in found.dots)
    heights = [segment.y2 for segment in found.best]
    assert heights == sorted(heights, reverse=True)
    assert (found.best[0].x1, found.best[-1].x2) == (found.dots[0].x, 100.0)
    assert found.note == (
        "All 4 scores in the order of the uploads, from 0.0500 to 0.2000; the line is the best so far, 0.2000 now."
    )


def test_the_newest_of_many_are_drawn_below_the_best_of_all() -> None:
    found = drawn(0.24, *[0.1] * DRAWN)
    assert len(found.dots) == DRAWN
    assert not any(dot.is_best for dot in found.dots)
    assert found.note.startswith(f"The last {DRAWN} of {DRAWN + 1} scores")
    (line,) = found.best
    assert (line.x1, line.x2) == (0.0, 100.0)
    assert line.y1 < min(dot.y for dot in found.dots)


def test_places_tell_no_more_than_rounded_scores() -> None:
    assert drawn(0.1001, 0.1234) == drawn(0.10013, 0.12341)


@pytest.mark.parametrize("count", [2, 450])
def test_everything_is_inside_the_drawing(count: int) -> None:
    found = drawn(*(0.2 * number / count for number in range(count)))
    places = [place for dot in found.dots for place in (dot.x, dot.y, dot.low_y, dot.high_y)]
    assert 0 <= min(places) <= max(places) <= 100
