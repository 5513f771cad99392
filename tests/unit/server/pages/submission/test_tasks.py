"""Tasks and originals beside a score, on the page and in a terminal: what a score is made of only where it may show."""

import pytest

from lethe.server.cli.descriptions import describe_submission
from lethe.server.leaderboard.schemas import Leaderboard, OriginalsView, TaskScoreView
from lethe.server.leaderboard.service import task_scores
from lethe.server.pages.rendering import render
from lethe.server.pages.submission.tasks import tasks_box
from lethe.server.pages.submission.view import MeasuresPart, ScoreEvidence, submission_page
from lethe.server.submissions.schemas import FinalView, SubmissionView
from tests.unit.server.cli.test_tables import SCORED

BREAKDOWN = {
    "tasks": [
        {
            "name": name,
            "share": share,
            "score": 0.81234567,
            "interval": [0.7, 0.92],
            "forgetting_quality": 0.40001,
            "retain_ratio": 0.9,
            "test_ratio": 0.8,
            "ceiling": 0.5,
        }
        for name, share in (("faces, hard", 2 / 3), ("digits", 1 / 3))
    ],
    "originals": None,
}
ORIGINALS = OriginalsView(standard_error=0.0123, degrees=2)


def tasks(*, with_metric: bool) -> list[TaskScoreView]:
    return task_scores(BREAKDOWN, with_metric=with_metric)


def scored(*, with_metric: bool) -> SubmissionView:
    return SCORED.model_copy(update={"tasks": tasks(with_metric=with_metric), "originals": ORIGINALS})


def html(view: SubmissionView) -> str:
    found = submission_page(view, None, (), Leaderboard.model_construct(rows=[], updated_at=None))
    return render("", "submission/submission.html", view=found, etag="")


def test_what_a_task_is_made_of_is_rounded_and_needs_leave() -> None:
    assert [task.metric for task in tasks(with_metric=False)] == [None, None]
    (first, _) = tasks(with_metric=True)
    assert first.score == pytest.approx(0.812)
    assert first.metric == {"forgetting_quality": 0.4, "ceiling": 0.5, "retain_ratio": 0.9, "test_ratio": 0.8}


def test_nothing_is_shown_without_tasks_and_originals() -> None:
    assert tasks_box([], None) is None
    assert "Tasks of" not in html(SCORED)
    assert "original models" not in html(SCORED)


def test_the_page_has_a_line_for_each_task_and_hides_the_metric() -> None:
    hidden, shown = html(scored(with_metric=False)), html(scored(with_metric=True))
    for text in (hidden, shown):
        assert "Tasks of the score" in text
        assert '<th scope="row">faces, hard</th><td data-as="Weight" class="number">66.7%</td>' in text
        assert "0.7000 to 0.9200" in text
        assert "a standard error of 0.0123, with 2 degrees of freedom" in text
    assert "Utility" not in hidden
    assert '<td data-as="F" class="number">0.4000</td>' in shown
    assert '<td data-as="Utility" class="number">0.7200</td>' in shown


def test_the_final_score_has_a_table_of_its_own() -> None:
    final = FinalView(
        state="scored",
        error=None,
        score=0.5,
        interval=SCORED.interval,
        tasks=tasks(with_metric=True),
        originals=ORIGINALS,
        metric=None,
    )
    text = html(scored(with_metric=True).model_copy(update={"final": final}))
    assert text.index("Tasks of the final score") < text.index("Tasks of the public score")
    assert describe_submission(SCORED.model_copy(update={"final": final})).count("faces, hard") == 1


def test_a_terminal_gets_aligned_columns() -> None:
    lines = describe_submission(scored(with_metric=True)).splitlines()
    place = next(place for place, line in enumerate(lines) if line.startswith("  task "))
    assert lines[place].split("  ")[1].strip() == "task"
    assert lines[place + 1].startswith("  faces, hard  66.7%   0.8120  0.7000 to 0.9200  0.4000")
    assert lines[place + 1].endswith("0.7200")
    assert lines[place + 3].startswith("Mean over 3 original models")
    assert "utility" not in describe_submission(scored(with_metric=False))


def test_the_evidence_of_one_part_is_said_to_be_of_it() -> None:
    def shown(part: str) -> str:
        measures = MeasuresPart(groups=(), is_pending=False, can_ask=False)
        found = ScoreEvidence(
            title="How", parts=(), warnings=(), plots=(), is_pending=False, measures=measures, outputs="/x", part=part
        )
        board = Leaderboard.model_construct(rows=[], updated_at=None)
        page = submission_page(SCORED, None, (), board, evidence=(found,))
        return " ".join(render("", "submission/submission.html", view=page, etag="").split())

    assert "<code>lethe score</code> computes this score again" in shown("")
    of_part = shown("part 1 of 2: task digits")
    assert "Plots, measures and the file are of part 1 of 2: task digits." in of_part
    assert "computes the score of that part again" in of_part
