"""The page of a submission says where it stands, why it ended, and never more than its team may see."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from lethe.evaluator.contract.curves import Curve, CurvePoint
from lethe.evaluator.contract.hidden_estimates import HiddenEstimate
from lethe.evaluator.contract.practice_score import ScoredPractice
from lethe.server.leaderboard.schemas import IntervalView, Leaderboard, LeaderboardRow
from lethe.server.models.times import utc_now
from lethe.server.pages.rendering import render
from lethe.server.pages.source_view import Piece
from lethe.server.pages.submission.view import SubmissionPage, link_lines, submission_page
from lethe.server.submissions.schemas import AdviceView, ErrorView, SubmissionLog, SubmissionView

WHEN = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script>&\"'"
LOG = SubmissionLog(
    stdout="",
    stderr="",
    traceback="",
    packages=[],
    advice=[],
    wall_s=1.25,
    cpu_s=1.0,
    peak_memory_bytes=3 * 2**20,
    wall_limit_s=None,
    memory_limit_bytes=None,
    hidden=None,
    curve=None,
)


def view(**changes: Any) -> SubmissionView:
    values: dict[str, Any] = {
        **dict.fromkeys(SubmissionView.model_fields),
        "id": UUID(int=7),
        "competition": "demo",
        "team": HOSTILE,
        "evaluation": "public",
        "filename": "mine.py",
        "state": "queued",
        "runs_done": 0,
        "runs_total": 32,
        "notes": [],
        "tasks": [],
        "selected": False,
        "is_best": False,
        "created_at": WHEN,
    }
    return SubmissionView.model_validate(values | changes)


def page(found: SubmissionView, log: SubmissionLog | None = None, *, references: bool = False) -> SubmissionPage:
    rows = [reference("ceiling", 0.2), reference("floor", 0.0)] if references else []
    return submission_page(found, log, (), Leaderboard.model_construct(rows=rows, updated_at=None))


def reference(kind: str, score: float) -> LeaderboardRow:
    return LeaderboardRow.model_construct(reference=kind, score=score, interval=IntervalView(low=score, high=score))


def statuses(shown: SubmissionPage) -> list[str]:
    return [stage.status for stage in shown.stages]


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("queued", ["now", "next", "next", "next", "next"]),
        ("checking", ["done", "now", "next", "next", "next"]),
        ("running", ["done", "done", "now", "next", "next"]),
        ("scoring", ["done", "done", "done", "now", "next"]),
        ("scored", ["done"] * 5),
    ],
)
def test_the_stages_follow_the_state(state: str, expected: list[str]) -> None:
    assert statuses(page(view(state=state))) == expected


def test_a_failure_is_shown_at_the_stage_that_it_reached() -> None:
    error = ErrorView(code="exception", message="It raised.", line=3, output=None)
    failed = {"state": "failed", "owner": "participant", "error": error, "finished_at": WHEN}
    assert statuses(page(view(**failed), LOG)) == ["done", "failed", "next", "next", "next"]
    assert statuses(page(view(**failed, runs_done=16), LOG)) == ["done", "done", "failed", "next", "next"]
    assert page(view(**failed), LOG).marked == 3


def test_waiting_is_said_in_words() -> None:
    since = utc_now() - timedelta(minutes=4, seconds=30)
    last, later = view(queue_position=1, created_at=since), view(queue_position=1203, created_at=since, eta_s=300.0)
    assert page(last).headline == "Waiting for a worker, next"
    assert page(last).waiting == "4 min since the upload, no estimate yet"
    assert page(later).headline == "Waiting for a worker, 1,202 ahead"
    assert page(later).waiting == "4 min since the upload, about 5 min to the score"
    assert page(view(state="scored")).waiting == ""


def test_what_waits_for_its_first_run_is_not_said_to_run() -> None:
    assert page(view(state="running", queue_position=7)).headline == "Waiting for a worker, 6 ahead"
    assert page(view(state="running")).headline == "Running"


def test_a_score_is_drawn_beside_ceiling_and_floor() -> None:
    box = page(view(state="scored", score=0.1, interval=IntervalView(low=0.05, high=0.15)), references=True).score
    assert box is not None
    assert box.low_x < box.score_x < box.high_x
    assert [kind for kind, _, _ in box.marks] == ["ceiling", "floor"]
    assert "ceiling 0.2000" in box.alternative


def test_a_score_is_drawn_before_there_are_references() -> None:
    box = page(view(state="scored", score=0.0, interval=IntervalView(low=0.0, high=0.0))).score
    assert box is not None
    assert (box.score, box.marks) == ("0.0000", ())


def test_lines_of_the_own_file_are_linked_and_no_others() -> None:
    text = 'File "mine.py", line 12, in f\n  File "/usr/lib/mine.py", line 3\nFile "minexpy", line 4'
    assert [line for _, line in link_lines(text, "mine.py") if line] == [12]
    assert "".join(piece for piece, _ in link_lines(text, "mine.py")) == text


def test_strangers_words_are_escaped() -> None:
    error = ErrorView(code="exception", message="It raised.", line=None, output=HOSTILE)
    log = LOG.model_copy(
        update={
            "advice": [AdviceView(code="x", message=HOSTILE)],
            "stdout": HOSTILE,
            "stderr": HOSTILE,
            "traceback": f'File "{HOSTILE}", line 1',
        }
    )
    shown = page(view(state="failed", owner="participant", filename=HOSTILE, error=error, finished_at=WHEN), log)
    text = render("", "submission/submission.html", view=shown, etag="")
    assert "<script>alert" not in text
    assert text.count("&lt;script&gt;alert(1)") >= 6


def test_the_line_of_an_error_is_marked_and_named_as_its_author_knows_it() -> None:
    error = ErrorView(code="exception", message="It raised.", line=4, output=None)
    failed = view(state="failed", owner="participant", error=error, finished_at=WHEN)
    texts = ("# Made by Lethe from the code cells of a notebook.", "", "# Cell 7", "1 / 0")
    lines = tuple((Piece("", text),) if text else () for text in texts)
    shown = submission_page(failed, LOG, lines, Leaderboard.model_construct(rows=[], updated_at=None))
    html = render("", "submission/submission.html", view=shown, etag="")
    assert '<a href="#L4">Cell 7, line 1</a>' in html
    assert '<span id="L4" class="line marked">1 / 0' in html
    plain = submission_page(failed, LOG, lines[1:], Leaderboard.model_construct(rows=[], updated_at=None))
    assert plain.error is not None
    assert plain.error.place == "Line 4"


def test_numbers_of_batches_stand_beside_the_check() -> None:
    standings = Leaderboard.model_construct(rows=[], updated_at=None)
    shown = submission_page(view(state="scored"), LOG, (), standings, batch_note="Batches on practice data: 5.")
    note = '<p class="note">Batches on practice data: 5.</p>'
    assert note in render("", "submission/submission.html", view=shown, etag="")


def test_the_check_says_what_it_used_of_its_limits_and_what_to_expect() -> None:
    log = LOG.model_copy(
        update={
            "wall_limit_s": 30.0,
            "memory_limit_bytes": 2**31,
            "hidden": HiddenEstimate(wall_s=4.6, wall_limit_s=60.0, peak_memory_bytes=5 * 2**20),
        }
    )
    assert {fact.term: fact.value for fact in page(view(state="running"), log).usage} == {
        "Wall time": "1.2 s of 30 s",
        "Processor time": "1 s",
        "Peak memory": "3 MiB of 2 GiB",
        "Expected of a hidden run": "about 4.6 s of 60 s",
        "Its memory, if it keeps all images": "5 MiB of 2 GiB",
    }
    assert [fact.value for fact in page(view(state="running"), LOG).usage] == ["1.2 s", "1 s", "3 MiB"]


def test_the_curve_of_a_check_is_drawn_and_told() -> None:
    values = ((0, 1.0, 1.0, 0.5), (3, 0.5, 0.25, 0.5), (8, 0.75, 0.25, 0.5))
    points = tuple(CurvePoint(step=step, retain=a, forget=b, test=c) for step, a, b, c in values)
    log = LOG.model_copy(update={"curve": Curve(images=32, points=points)})
    shown = page(view(state="scored"), log)
    assert shown.curve is not None
    assert shown.curve.alternative == (
        "Accuracies over 8 steps of the check's last run: retain 1.00 to 0.75 (lowest 0.50), forget 1.00 to 0.25, "
        "test 0.50 to 0.50"
    )
    retain, forget, test = shown.curve.lines
    assert [y for _, y in retain.dots] == [6.0, 45.0, 25.5]
    assert retain.pieces[0] == (*retain.dots[0], *retain.dots[1])
    assert [x for x, _ in forget.dots] == [x for x, _ in test.dots]
    assert all(10 <= x <= 100 for x, _ in retain.dots)
    assert shown.curve.rows[1] == ("3", "0.50", "0.25", "0.50")
    text = render("", "submission/submission.html", view=shown, etag="")
    assert text.count("<circle") == 9
    assert f'aria-label="{shown.curve.alternative}"'.replace("'", "&#39;") in text
    assert page(view(state="scored"), LOG).curve is None


def scored_practice(**changes: Any) -> ScoredPractice:
    values: dict[str, Any] = {
        "rule": "exact", "runs": 8, "oracles": 32, "score": 0.25, "low": 0.125, "high": 0.5,
        "forgetting_quality": 0.5, "retain_ratio": 1.0, "test_ratio": 0.5, "epsilon": (0.0, 0.49, 0.5, 1.2),
        "margins": (-0.5, 1.0, 1.5, 3.9), "oracle_margins": (-1.5, 0.5, 1.5, 2.5),
    }  # fmt: skip
    return ScoredPractice.model_validate(values | changes)


def test_the_practice_score_is_told_and_drawn() -> None:
    shown = page(view(state="scored"), LOG.model_copy(update={"practice": scored_practice()}))
    box = shown.practice
    assert box is not None
    assert (box.score, box.interval) == ("0.2500", "0.1250 to 0.5000")
    assert box.parts == "forgetting quality 0.5000 × retain 1.000 × test 0.500"
    assert box.epsilon.rows == (("0.0 to 0.5", "2"), ("0.5 to 1.0", "1"), ("1.0 to 1.5", "1"))
    assert box.epsilon.alternative == (
        "Epsilon of 4 forget images, by how many have it: 0.0 to 0.5: 2, 0.5 to 1.0: 1, 1.0 to 1.5: 1"
    )
    ((name, bars),) = box.epsilon.series
    assert name == "images"
    assert [bar.y for bar in bars] == [6.0, 45.0, 45.0]  # two images reach the top, one half of it
    assert all(round(bar.y + bar.height, 2) == 84.0 for bar in bars)
    assert [level for level, _ in box.epsilon.levels] == ["0", "1", "2"]
    assert box.margins.rows[:2] == (("-2 to -1", "0", "1"), ("-1 to 0", "1", "0"))
    runs, oracles = (drawn for _, drawn in box.margins.series)
    assert all(10 <= one.x < one.x + one.width <= other.x + 0.02 for one, other in zip(runs, oracles, strict=True))
    assert sum(int(row[1]) for row in box.margins.rows) == sum(int(row[2]) for row in box.margins.rows) == 4
    assert box.margins.alternative == ("Mean margins on 4 forget images, on average: runs 1.48, oracles 0.75")
    text = render("", "submission/submission.html", view=shown, etag="")
    assert "<b>Practice score 0.2500</b>, 95% interval 0.1250 to 0.5000: forgetting quality 0.5000" in text
    assert box.basis in text
    assert box.basis.startswith("8 runs against 32 practice oracles, rule exact, on other people than ")
    assert text.count("<rect ") == 3 + 3 + 4
    assert f'aria-label="{box.epsilon.alternative}"' in text


def test_large_and_equal_values_are_drawn_too() -> None:
    drawn = page(
        view(state="scored"),
        LOG.model_copy(
            update={"practice": scored_practice(epsilon=(99.0, 0.0), margins=(0.0, 0.0), oracle_margins=(0.0, 0.0))}
        ),
    ).practice
    assert drawn is not None
    assert len(drawn.epsilon.rows) == 20
    assert drawn.epsilon.rows[-1] == ("9.5 or more", "1")
    assert drawn.margins.rows[0][1:] == ("2", "2")


def test_a_missing_practice_score_is_explained() -> None:
    assert page(view(state="scored"), LOG).practice is None
    log = LOG.model_copy(update={"practice_missing": "Left out: `lethe check -c` scores it."})
    text = render("", "submission/submission.html", view=page(view(state="scored"), log), etag="")
    assert '<p class="note">Left out: <code>lethe check -c</code> scores it.</p>' in text
    assert "Practice score" not in text
