"""The registry of measures: what every number is, and how it gets its 95% interval. Modules of this folder fill it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from math import inf
from pathlib import Path
from pkgutil import iter_modules
from typing import Literal, TypeVar

import numpy as np

from lethe.evaluator.contract.installed import MEASURES, installed
from lethe.evaluator.errors import EvaluatorError
from lethe.evaluator.measures.inputs import MeasureInputs
from lethe.evaluator.metrics.pool import Floats
from lethe.evaluator.metrics.uncertainty import group_count, jackknife_error, t_quantile

MEASURES_VERSION = 1
"""Changes whenever the same inputs would give other values."""
PERCENTILES = (50, 90, 95, 99)
MIN_MODELS = 5
"""So many runs and oracles a comparison of pools needs: halves have two models even when one is left out."""

QUESTIONS = (
    "The score",
    "Can the runs be told from oracles?",
    "Is each person safe?",
    "Does a single network give its forgotten images away?",
    "Were others harmed?",
    "What do the networks predict?",
    "Does the knowledge come back?",
    "What did it cost?",
)
"""What measures answer, in the order in which tables show them."""

RATE, PERCENT, NOT_NEGATIVE = (0.0, 1.0), (0.0, 100.0), (0.0, inf)
"""What some values cannot leave, and so their intervals do not."""
ANYTHING = (-inf, inf)

Scope = Literal["run", "pool", "image", "person"]
Best = Literal["oracles", "low", "high", "none"]


class MeasureUnusable(EvaluatorError):
    """A measure of an installed package cannot be loaded."""


class Absent(EvaluatorError):
    """The inputs lack what a measure needs; the message says what."""


@dataclass(frozen=True)
class Value:
    """A finite number with its two-sided 95% interval and its standard error; None where there is none."""

    value: float
    low: float | None = None
    high: float | None = None
    error: float | None = None


@dataclass(frozen=True)
class Measurement:
    """What a measure gave: its values by key, and of each image or person where it has one; or why it is absent."""

    values: dict[str, Value]
    each: tuple[float, ...] = ()
    absent: str = ""


Answer = float | Floats | Value
Compute = TypeVar("Compute", bound=Callable[[MeasureInputs], Answer])


@dataclass(frozen=True)
class Measure:
    """One measure. `best` is the value of a perfect submission: that of `oracles`, the lowest or the highest one.

    `compute` returns, by `scope`: (N,) one value for each `run`; a number, or one with its own interval, for the whole
    `pool`; (E,) for each `image`, in the order of the forget images; (P,) for each `person`, in sorted order. `needs`
    are the optional fields of MeasureInputs that it reads. `within` are the least and the greatest value that it can
    have.
    """

    name: str
    title: str
    question: str
    scope: Scope
    best: Best
    source: str
    unit: str
    symbol: str
    needs: tuple[str, ...]
    within: tuple[float, float]
    compute: Callable[[MeasureInputs], Answer]

    @property
    def keys(self) -> tuple[str, ...]:
        """The names of its values: its own, or one for each percentile of images or people."""
        if self.scope in {"image", "person"}:
            return tuple(f"{self.name}_p{percent}" for percent in PERCENTILES)
        return (self.name,)

    def title_of(self, key: str) -> str:
        """The title of one of its values."""
        if key == self.name:
            return self.title
        percent = key.rsplit("_p", 1)[1]
        people = "images" if self.scope == "image" else "people"
        place = "median" if percent == "50" else f"{percent}th percentile"
        return f"{self.title}, {place} of {people}"

    def column_title(self, key: str) -> str:
        """The short title of one of its values, for a column: `KLoM p95`, `person accuracy p50`."""
        return f"{self.symbol or self.name}{key.removeprefix(self.name)}".replace("_", " ")

    def of(self, inputs: MeasureInputs, *, intervals: bool = True) -> Measurement:
        """Measure; with `intervals`, sixteen times more for a pool, image or person. Never raises for missing inputs.

        Intervals: t over the runs; for everything else delete-a-group jackknife over runs and oracles, as the score's.
        """
        lacking = [need for need in self.needs if _is_missing(inputs, need)]
        if lacking:
            return Measurement({}, absent=f"it needs {' and '.join(_WORDS.get(need, need) for need in lacking)}")
        if self.scope != "run" and min(inputs.models, inputs.oracles) < MIN_MODELS:
            return Measurement({}, absent=f"it needs at least {MIN_MODELS} runs and {MIN_MODELS} oracles")
        try:
            answer = self.compute(inputs)
            return self._measured(answer, self._replicates(inputs, answer) if intervals else None)
        except Absent as reason:
            return Measurement({}, absent=str(reason))
        except (ArithmeticError, ValueError, np.linalg.LinAlgError) as error:
            return Measurement({}, absent=f"it failed: {error}")

    def _measured(self, answer: Answer, replicates: Floats | None) -> Measurement:
        if isinstance(answer, Value):
            found = {self.name: answer}
        elif self.scope == "run":
            found = {self.name: over_runs(answer, self.within)}
        else:
            found = {
                key: _with_interval(float(value), None if replicates is None else replicates[:, place], self.within)
                for place, (key, value) in enumerate(zip(self.keys, self._summary(answer), strict=True))
            }
        if not all(np.isfinite(one.value) for one in found.values()):
            return Measurement({}, absent="it is undefined for these outputs")
        is_each = self.scope in {"image", "person"}
        return Measurement(found, each=tuple(np.asarray(answer, dtype=np.float64).tolist()) if is_each else ())

    def _summary(self, answer: Answer) -> Floats:
        """(K,) the values under `keys`."""
        if self.scope in {"image", "person"}:
            return np.percentile(np.asarray(answer, dtype=np.float64), PERCENTILES)
        return np.atleast_1d(np.asarray(answer, dtype=np.float64))

    def _replicates(self, inputs: MeasureInputs, answer: Answer) -> Floats | None:
        """(G, K) the values with each group of models left out.

        None where the measure has its own interval, and where the models that stay are too few for a value.
        """
        if self.scope == "run" or isinstance(answer, Value):
            return None
        groups = group_count(inputs.models, inputs.oracles)
        try:
            return np.stack([self._summary(self.compute(inputs.without(group, groups))) for group in range(groups)])
        except Absent:
            return None


_REGISTERED: dict[str, Measure] = {}
_WORDS = {
    "accuracies": "the accuracies of both pools",
    "audits": "audits of the runs",
    "ceiling": "a second pool of oracles",
    "identities": "the people on the images",
    "labels": "the labels",
    "logits": "the logits of the runs",
    "oracle_logits": "the logits of the oracles",
    "original": "the original network's outputs",
    "retain": "outputs on the retain sample",
    "test": "outputs on the test images",
    "resources": "what the runs used",
    "score": "the score",
    "training_s": "the times of training",
}


def measure(
    name: str,
    *,
    title: str,
    question: str,
    scope: Scope,
    best: Best,
    source: str,
    unit: str = "",
    symbol: str = "",
    needs: Sequence[str] = (),
    within: tuple[float, float] = ANYTHING,
) -> Callable[[Compute], Compute]:
    """Register a function of MeasureInputs; the arguments are the fields of Measure.

    `needs` may also name the parts `retain` and `test`, whose margins it reads. Raises ValueError for a name that is
    taken, and for an unknown question.
    """

    def register(compute: Compute) -> Compute:
        if name in _REGISTERED:
            raise ValueError(f"a measure {name} is registered already")
        if question not in QUESTIONS:
            raise ValueError(f"{name}: the question must be one of QUESTIONS, not {question!r}")
        _REGISTERED[name] = Measure(
            name, title, question, scope, best, source, unit, symbol, tuple(needs), within, compute
        )
        return compute

    return register


def measures() -> dict[str, Measure]:
    """All measures by name, in the order in which tables show them."""
    _load()
    return dict(sorted(_REGISTERED.items(), key=lambda pair: QUESTIONS.index(pair[1].question)))


def measure_of(key: str) -> Measure:
    """The measure that has a value of this key; raises KeyError for an unknown one."""
    return {key: one for one in measures().values() for key in one.keys}[key]


def over_runs(values: Answer, within: tuple[float, float] = ANYTHING) -> Value:
    """Mean and t interval, as far as it is `within` these, of one value for each run; a single run has no interval."""
    array = np.asarray(values, dtype=np.float64)
    mean = float(array.mean())
    if len(array) < 2:
        return Value(mean)
    error = float(array.std(ddof=1)) / float(np.sqrt(len(array)))
    return Value(mean, *_ends(mean, t_quantile(len(array) - 1) * error, within), error)


def _with_interval(value: float, replicates: Floats | None, within: tuple[float, float]) -> Value:
    if replicates is None or not np.isfinite(replicates).all():
        return Value(value)
    error = float(jackknife_error(replicates))
    return Value(value, *_ends(value, t_quantile(len(replicates) - 1) * error, within), error)


def _ends(value: float, half: float, within: tuple[float, float]) -> tuple[float, float]:
    """Return both ends of the interval; neither crosses the value, which rounding may leave outside by a last digit."""
    least, most = within
    return min(value, max(value - half, least)), max(value, min(value + half, most))


def _is_missing(inputs: MeasureInputs, need: str) -> bool:
    if need in {"retain", "test"}:
        return need not in inputs.margins
    found = getattr(inputs, need)
    return found is None or (isinstance(found, dict) and not found)


@cache
def _load() -> None:
    """Import every module of this folder, and those that installed packages offer; they register their measures."""
    folder = Path(__file__).parent
    for module in iter_modules([str(folder)]):
        import_module(f"{__package__}.{module.name}")
    for entry in installed(MEASURES).values():
        try:
            entry.load()
        except Exception as error:
            package = "a package" if entry.dist is None else entry.dist.name
            raise MeasureUnusable(
                f"the measure {entry.name} of {package} cannot be loaded: {type(error).__name__}: {error}; repair or "
                "remove the package"
            ) from error
