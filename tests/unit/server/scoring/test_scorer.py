"""Findings about runs, from what workers say of them."""

from lethe.server.models import WorkItem
from lethe.server.scoring.scorer import unrepeatable_runs


def item(*repeatable: bool | None) -> WorkItem:
    return WorkItem(finished={str(index): {"repeatable": said} for index, said in enumerate(repeatable)})


def test_runs_that_were_done_twice_and_differ_are_counted() -> None:
    (finding,) = unrepeatable_runs([item(None, True, False), item(False)])
    assert finding.code == "unrepeatable_runs"
    assert finding.message.startswith("2 of 3 runs")


def test_runs_that_were_done_once_or_gave_the_same_are_no_finding() -> None:
    assert unrepeatable_runs([]) == ()
    assert unrepeatable_runs([item(None, True), WorkItem(finished={"0": {"wall_s": 1.0}})]) == ()
