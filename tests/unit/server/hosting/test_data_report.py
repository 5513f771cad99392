"""The report of a competition with tasks names them, and has the figures of each."""

from lethe.evaluator.contract.data_review import Bar, DataReview
from lethe.evaluator.contract.data_sources import DigitsSpec
from lethe.evaluator.contract.prepared_competition import ArtifactRef
from lethe.evaluator.contract.specification import CompetitionSpec, TaskSpec
from lethe.server.hosting.data_report import render_report
from tests.prepared_competitions import make_prepared_competition

REF = ArtifactRef(key="data/x", sha256="0" * 64)
REVIEW = DataReview(
    source="digits",
    images=720,
    identities=60,
    image_size=16,
    per_class=(Bar(name="0", count=1),),
    per_person=(Bar(name="12", count=60),),
    sizes=(),
    skipped=(),
    warnings=(),
    contact_sheet=b"",
    near_duplicates=(),
    splits={},
    needed_bytes=10**9,
)


def test_every_task_has_a_line_and_figures_of_its_own() -> None:
    tasks = (TaskSpec(name="faces", weight=2), TaskSpec(name="digits", data=DigitsSpec(source="digits")))
    spec = CompetitionSpec(slug="two", title="Two", tasks=tasks)
    first, second = (make_prepared_competition(REF, figure=figure, environment={}) for figure in (0.5, 0.25))
    page = render_report(spec, REVIEW, prepared=first.model_copy(update={"further_tasks": (second,)}))
    assert '<td>faces</td><td class="number">2</td><td>synthetic-faces</td>' in page
    assert "digits/public: original" in page
    assert "0.250" in page
    assert "on average" in page
    assert "of the one that was refused" in render_report(spec, REVIEW, refusal="task 'digits': no")


def test_a_competition_without_tasks_has_no_word_of_them() -> None:
    spec = CompetitionSpec(slug="one", title="One")
    page = render_report(spec, REVIEW, prepared=make_prepared_competition(REF, environment={}))
    assert "Tasks" not in page
    assert "task" not in page
    assert "One took 0.5 s here" in page
