"""The parts of the score itself, and what its error bars say."""

from lethe.evaluator.measures.inputs import MeasureInputs
from lethe.evaluator.measures.registry import Absent, Value, measure
from lethe.evaluator.metrics import Calibration, Score
from lethe.evaluator.metrics.uncertainty import interval, jackknife_error

_QUESTION = "The score"
_SOURCE = "docs/metric.md"


def _score(inputs: MeasureInputs) -> Score:
    if inputs.score is None:
        raise Absent("it needs the score")
    return inputs.score


@measure(
    "forgetting_quality",
    title="Forgetting quality",
    symbol="F",
    question=_QUESTION,
    scope="pool",
    best="oracles",
    source=_SOURCE,
    needs=("score",),
)
def _forgetting_quality(inputs: MeasureInputs) -> Value:
    score = _score(inputs)
    value, replicates = score.forgetting_quality, score.quality_replicates
    error = float(jackknife_error(replicates))
    return Value(value, *interval(value, error, len(replicates) - 1, most=1.0), error)


@measure(
    "final_score",
    title="Final score",
    question=_QUESTION,
    scope="pool",
    best="oracles",
    source=_SOURCE,
    needs=("score",),
)
def _final_score(inputs: MeasureInputs) -> Value:
    score = _score(inputs)
    return Value(score.final_score, *score.interval, score.standard_error)


@measure(
    "standard_error",
    title="Standard error of the score",
    symbol="SE",
    question=_QUESTION,
    scope="pool",
    best="none",
    source=_SOURCE,
    needs=("score",),
)
def _standard_error(inputs: MeasureInputs) -> Value:
    return Value(_score(inputs).standard_error)


@measure(
    "score_for_new_people",
    title="Final score, interval for new people",
    question=_QUESTION,
    scope="pool",
    best="oracles",
    source=_SOURCE,
    needs=("score", "identities"),
)
def _score_for_new_people(inputs: MeasureInputs) -> Value:
    score = _score(inputs)
    if score.interval_new_identities is None:
        raise Absent("the forget images show one person only, so nothing is known about others")
    return Value(score.final_score, *score.interval_new_identities)


@measure(
    "normalised_quality",
    title="Forgetting quality over the ceiling's",
    symbol="F/F*",
    question=_QUESTION,
    scope="pool",
    best="oracles",
    source=_SOURCE,
    needs=("score", "ceiling"),
)
def _normalised_quality(inputs: MeasureInputs) -> Value:
    if inputs.ceiling is None:
        raise Absent("it needs a second pool of oracles")
    normalised = Calibration(inputs.ceiling, None).normalise(_score(inputs))
    if normalised is None:
        raise Absent("the ceiling's forgetting quality is zero, so nothing can be measured relative to it")
    return Value(normalised.value, *normalised.interval, normalised.standard_error)
