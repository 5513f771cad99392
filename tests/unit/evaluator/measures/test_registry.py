"""A measure is one function: the registry finds it, says what it lacks, and gives its values their intervals."""

from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lethe.evaluator.measures import registry
from lethe.evaluator.measures.inputs import MeasureInputs, inputs_of_pools, shared
from lethe.evaluator.measures.measurements import measure_inputs
from lethe.evaluator.measures.registry import PERCENTILES, QUESTIONS, Absent, Value, measure, measure_of, measures
from lethe.evaluator.metrics import Pool, evaluate
from lethe.evaluator.metrics.uncertainty import jackknife_error, t_quantile

MODELS, IMAGES = 32, 12


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets a test register measures of its own."""
    measures()
    monkeypatch.setattr(registry, "_REGISTERED", dict(registry._REGISTERED))


@pytest.fixture
def inputs() -> MeasureInputs:
    draw = np.random.default_rng(3)
    ours, theirs = (
        Pool(
            margins=draw.normal(shift, 1, (MODELS, IMAGES)),
            retain_accuracy=draw.uniform(0.8, 1, MODELS),
            test_accuracy=draw.uniform(0.6, 0.8, MODELS),
            forget_accuracy=draw.uniform(0.2, 0.4, MODELS),
        )
        for shift in (0.5, 0)
    )
    people = np.arange(IMAGES) // 3
    return inputs_of_pools(ours, theirs, identities=people, score=evaluate(ours, theirs, identities=people))


def _toy(scope: str, compute, **others) -> registry.Measure:  # type: ignore[no-untyped-def]
    facts = {"title": "Toy", "question": QUESTIONS[0], "best": "low", "source": "this test"} | others
    measure("toy", scope=scope, **facts)(compute)
    return measures()["toy"]


def test_a_measure_of_runs_has_the_t_interval_of_its_mean(toy: None, inputs: MeasureInputs) -> None:
    found = _toy("run", lambda inputs: inputs.forget[0][:, 0]).of(inputs)
    values = inputs.forget[0][:, 0]
    half = t_quantile(MODELS - 1) * values.std(ddof=1) / MODELS**0.5
    assert found.values["toy"].value == pytest.approx(values.mean())
    assert found.values["toy"].high == pytest.approx(values.mean() + half)
    assert found.values["toy"].low == pytest.approx(values.mean() - half)


def test_a_measure_of_the_pool_has_the_jackknife_interval_of_the_score(toy: None, inputs: MeasureInputs) -> None:
    def gap(inputs: MeasureInputs) -> float:
        return float(inputs.forget[0].mean() - inputs.forget[1].mean())

    found = _toy("pool", gap).of(inputs)
    kept = [np.arange(MODELS) % 16 != group for group in range(16)]
    replicates = [inputs.forget[0][rows].mean() - inputs.forget[1][rows].mean() for rows in kept]
    half = t_quantile(15) * float(jackknife_error(replicates))
    assert found.values["toy"].value == gap(inputs)
    assert found.values["toy"].high == pytest.approx(gap(inputs) + half)


def test_a_measure_of_images_is_shown_by_percentiles_and_keeps_each(toy: None, inputs: MeasureInputs) -> None:
    found = _toy("image", lambda inputs: inputs.forget[0].mean(axis=0)).of(inputs)
    each = inputs.forget[0].mean(axis=0)
    assert found.each == tuple(each)
    assert [one.value for one in found.values.values()] == pytest.approx(np.percentile(each, PERCENTILES))
    assert list(found.values) == ["toy_p50", "toy_p90", "toy_p95", "toy_p99"]
    assert all(one.low is not None and one.low <= one.value for one in found.values.values())
    assert measures()["toy"].title_of("toy_p95") == "Toy, 95th percentile of images"


def test_what_the_inputs_lack_is_said_and_never_a_number(toy: None, inputs: MeasureInputs) -> None:
    assert _toy("pool", lambda _: 1.0, needs=("logits", "audits")).of(inputs).absent == (
        "it needs the logits of the runs and audits of the runs"
    )

    def refuses(_: MeasureInputs) -> float:
        raise Absent("too few people")

    measure("other", title="Other", question=QUESTIONS[0], scope="pool", best="low", source="this test")(refuses)
    assert measures()["other"].of(inputs).absent == "too few people"
    measure("broken", title="Broken", question=QUESTIONS[0], scope="pool", best="low", source="this test")(
        lambda _: float("nan")
    )
    assert measures()["broken"].of(inputs).values == {}


def test_too_few_models_for_a_replicate_take_the_interval_and_not_the_value(toy: None, inputs: MeasureInputs) -> None:
    def needs_all(inputs: MeasureInputs) -> float:
        if inputs.models < MODELS:
            raise Absent("too few runs")
        return 1.0

    assert _toy("pool", needs_all).of(inputs).values == {"toy": Value(1.0)}


def test_pools_of_four_are_too_small_to_compare(inputs: MeasureInputs) -> None:
    four, five = (inputs.take(np.arange(runs), np.arange(MODELS)) for runs in (4, 5))
    for name, one in measures().items():
        if one.scope != "run" and not one.needs:
            assert one.of(four).absent == "it needs at least 5 runs and 5 oracles", name
            assert "at least 5 runs" not in one.of(five).absent, name
    assert measures()["u_lira"].of(five).values


def test_what_measures_share_is_computed_once_for_the_same_models(toy: None, inputs: MeasureInputs) -> None:
    calls = []

    @shared
    def costly(inputs: MeasureInputs) -> float:
        calls.append(inputs.models)
        return float(inputs.models)

    first = _toy("pool", lambda inputs: 2 * costly(inputs))
    measure("other", title="Other", question=QUESTIONS[0], scope="pool", best="low", source="this test")(costly)
    values = [one.of(inputs).values[one.name].value for one in (first, measures()["other"])]
    assert values == [2 * MODELS, MODELS]
    assert calls == [MODELS] + 16 * [MODELS - MODELS // 16]


def test_an_answer_with_its_own_interval_is_kept(toy: None, inputs: MeasureInputs) -> None:
    answer = Value(0.3, 0.2, 0.4)
    assert _toy("pool", lambda _: answer).of(inputs).values == {"toy": answer}


def test_a_name_is_taken_once_and_a_question_is_known(toy: None) -> None:
    with pytest.raises(ValueError, match="registered already"):
        _toy("pool", lambda _: 1.0) and _toy("pool", lambda _: 2.0)
    with pytest.raises(ValueError, match="QUESTIONS"):
        measure("new", title="New", question="Why?", scope="pool", best="low", source="this test")(lambda _: 1.0)


def test_a_package_that_cannot_be_loaded_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = EntryPoint("mine", "no_such_module_of_a_package", "lethe.measures")
    monkeypatch.setattr(registry, "installed", lambda _group: {"mine": broken})
    with pytest.raises(registry.MeasureUnusable, match="measure mine of a package cannot be loaded: ModuleNotFound"):
        registry._load.__wrapped__()


def test_every_measure_says_what_it_is_and_answers_or_is_absent(inputs: MeasureInputs) -> None:
    found = measures()
    assert len({key for one in found.values() for key in one.keys}) == sum(len(one.keys) for one in found.values())
    for one in found.values():
        assert one.title, one.name
        assert one.source, one.name
        measured = one.of(inputs, intervals=False)
        assert bool(measured.values) != bool(measured.absent), one.name
    questions = [one.question for one in found.values()]
    assert questions == sorted(questions, key=QUESTIONS.index)


def test_the_metrics_page_has_a_line_for_every_measure_under_its_question() -> None:
    page = (Path(__file__).parents[4] / "docs" / "metric.md").read_text(encoding="utf-8")
    section = page.split("## Other measures\n", 1)[1].split("\n## ", 1)[0]
    words = {"oracles": "oracles", "low": "lowest", "high": "highest", "none": "none"}
    documented = []
    for part in section.split("\n### ")[1:]:
        question, lines = part.split("\n", 1)
        rows = [
            [cell.strip() for cell in line.strip("|").split("|")] for line in lines.splitlines() if line[:2] == "| "
        ]
        documented += [(question, name.strip("`"), best) for name, _, best, _ in rows if name.startswith("`")]
    registered = [(one.question, name, words[one.best]) for name, one in measures().items()]
    assert sorted(documented) == sorted(registered)
    assert [question for question, _, _ in documented] == [question for question, _, _ in registered]


def test_equal_pools_read_as_the_oracles_do(inputs: MeasureInputs) -> None:
    theirs = Pool(margins=inputs.forget[1])
    same = inputs_of_pools(theirs, theirs)
    assert measures()["klom"].of(same).values["klom_p99"].value == 0
    assert measures()["u_lira"].of(same).values["u_lira"].value == pytest.approx(0.5, abs=0.02)
    assert set(measures()["epsilon_lower_bound"].of(same, intervals=False).each) == {0.0}


def test_no_interval_leaves_what_a_value_can_be() -> None:
    generator = np.random.default_rng(3)
    runs, oracles = (Pool(margins=generator.normal(shift, 1, (8, 6)), **_accuracies(shift)) for shift in (0.3, 0.0))
    found = measure_inputs(inputs_of_pools(runs, oracles, identities=[0, 0, 1, 1, 2, 2], score=evaluate(runs, oracles)))
    assert found.values["forget_accuracy"].high == 100.0
    assert found.values["epsilon_p99"].low == 0.0
    for key, value in found.values.items():
        least, most = measure_of(key).within
        if value.low is not None and value.high is not None:
            assert least <= value.low <= value.value <= value.high <= most, key


def _accuracies(shift: float) -> dict[str, Any]:
    few = np.array([1.0] * 7 + [0.2 + shift])
    return {f"{part}_accuracy": few for part in ("retain", "forget", "test")}
