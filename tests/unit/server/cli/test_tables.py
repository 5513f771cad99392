"""The list of submissions on a terminal of 80 columns: state, score and an id, and nothing cut in two."""

from io import StringIO
from uuid import UUID

import pytest
from rich.console import Console

from lethe.server.cli.descriptions import describe_comparison, describe_submission
from lethe.server.cli.tables import print_submissions
from lethe.server.http.openapi_examples import EXAMPLES
from lethe.server.leaderboard.schemas import IntervalView, TaskScoreView
from lethe.server.submissions.schemas import ChangeView, ComparisonView, SubmissionView, Verdict

SCORED = SubmissionView.model_validate(EXAMPLES["SubmissionView"])
CHANGE = ChangeView(submission=UUID(int=7), difference=0.0021, verdict=Verdict.CHANCE)
VIEWS = [
    SCORED.model_copy(update={"against_best": CHANGE, "against_last": CHANGE, "filename": "a[b]" * 20 + ".py"}),
    SCORED.model_copy(update={"state": "running", "queue_position": 7, "score": None, "interval": None}),
]


def printed(width: int, *, is_terminal: bool = True) -> list[str]:
    stream = StringIO()
    print_submissions(VIEWS, Console(file=stream, width=width, force_terminal=is_terminal, color_system=None))
    return stream.getvalue().splitlines()


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_a_line_has_id_state_and_score_whole_at_every_width(width: int) -> None:
    lines = printed(width)
    assert len(lines) == 1 + len(VIEWS)
    assert max(len(line) for line in lines) <= width
    assert lines[1].split()[:3] == [str(SCORED.id)[:8], "scored", "0.1360"]
    assert "waiting, 6 ahead" in lines[2]


def test_eighty_columns_have_the_verdict_and_a_pipe_has_everything() -> None:
    narrow, whole = printed(80), printed(80, is_terminal=False)
    assert "+0.0021 chance" in narrow[1]
    assert "0.1180–0.1530" in narrow[1]
    assert whole[1].rstrip().endswith("a[b]" * 20 + ".py")
    assert whole[1].count("+0.0021 chance") == 2


def test_a_pipe_has_the_score_of_each_task() -> None:
    task = TaskScoreView(name="faces, hard", share=1, score=0.1372, interval=IntervalView(low=0.1, high=0.2))
    stream = StringIO()
    print_submissions([SCORED.model_copy(update={"tasks": [task]}), VIEWS[1]], Console(file=stream))
    titles, first, second = (line.split("\t") for line in stream.getvalue().splitlines())
    place = titles.index("faces, hard")
    assert (first[place], second[place]) == ("0.1372", "")
    assert "faces, hard" not in printed(200)[0]


def test_a_submission_is_described_with_what_helped() -> None:
    text = describe_submission(VIEWS[0].model_copy(update={"is_best": True, "rank": 3}))
    assert "your best, rank 3" in text
    assert text.count("+0.0021, may be chance: against 00000000") == 1  # the best before it was the last one, too
    waiting = describe_submission(VIEWS[1].model_copy(update={"finished_at": None, "eta_s": 300.0}))
    assert "waiting, 6 ahead" in waiting
    assert "about 5 min to go" in waiting
    assert "runs done" not in waiting


def test_a_comparison_is_one_line() -> None:
    later = SCORED.model_copy(update={"id": UUID(int=9), "score": 0.1381})
    found = ComparisonView(before=SCORED.id, after=later.id, difference=0.0021, verdict=Verdict.CHANCE, interval=None)
    assert describe_comparison(SCORED, later, found) == "+0.0021, may be chance: from 0.1360 to 0.1381"
    unknown = found.model_copy(update={"difference": None, "verdict": Verdict.UNKNOWN})
    assert describe_comparison(SCORED, later, unknown).startswith("No verdict")
    assert describe_comparison(SCORED, SCORED, unknown) == "Both are the same submission."
