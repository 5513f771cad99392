"""Readings: what every measure gives for a pool of networks beside oracles; each is stored once."""

import hashlib
import json
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from benchmarks.knowledge.judging import POOL_GROUPS, Draws
from benchmarks.knowledge.levels import Level
from lethe.evaluator.artifacts import ArtifactStore, open_store
from lethe.evaluator.artifacts.oracles import load_pool
from lethe.evaluator.banks.seeding import Progress, ReportProgress
from lethe.evaluator.banks.training_jobs import TrainingPool
from lethe.evaluator.contract.oracle_pools import OraclePools
from lethe.evaluator.contract.prepared_competition import PreparedSplit
from lethe.evaluator.contract.specification import MetricSpec
from lethe.evaluator.measures.measurements import measure_inputs
from lethe.evaluator.measures.registry import MEASURES_VERSION, measures
from lethe.evaluator.metrics import METRIC_VERSION, Rule
from lethe.evaluator.metrics.pool import Floats
from lethe.evaluator.scoring.measuring import MeasuringSet, load_measuring_set


@dataclass(frozen=True)
class Pools:
    """Networks `models` of the bank with this digest, none of them for the untouched network in their place, beside
    two pools of oracles.
    """

    bank: str
    models: tuple[int, ...]
    oracles: tuple[int, ...]
    others: tuple[int, ...]


@dataclass(frozen=True)
class Question:
    """Pools to be measured, by these measures under a rule."""

    store_url: str
    split: PreparedSplit
    rule: Rule
    names: tuple[str, ...]
    pools: Pools

    @property
    def key(self) -> str:
        """Where the answer is stored; another one for whatever would change it."""
        pools = self.pools
        split = (self.split.bank_digest, self.split.evaluation.sha256, self.split.original_outputs.sha256)
        facts = (split, self.rule, self.names, pools.bank, pools.models, pools.oracles, pools.others)
        text = json.dumps([*facts, MEASURES_VERSION, METRIC_VERSION])
        return f"readings/{hashlib.sha256(text.encode()).hexdigest()}.json"


@dataclass(frozen=True)
class Answer:
    """Values by key, and by name why measures are absent."""

    values: dict[str, float]
    absent: dict[str, str]


@dataclass(frozen=True, eq=False)
class Table:
    """All readings of one rule. `levels`: (B, P) by level and key; `oracles` and `untouched`: by key, means over the
    draws; NaN where a measure is absent. `absent`: why, by name.
    """

    levels: list[dict[str, Floats]]
    oracles: dict[str, float]
    untouched: dict[str, float]
    absent: dict[str, str]


class Reader:
    """Asks for the readings of all pools of a split, in the processes of `pool`."""

    def __init__(
        self,
        split: PreparedSplit,
        levels: Sequence[Level],
        draws: Draws,
        models: int,
        store: ArtifactStore,
        pool: TrainingPool,
        progress: ReportProgress,
    ) -> None:
        self._split = split
        self._levels = levels
        self._draws = draws
        self._models = models
        self._store = store
        self._pool = pool
        self._progress = progress

    def names_of_the_rule(self) -> tuple[str, ...]:
        """The measures that read otherwise under the other rule, for the first pool of some level."""
        first = [self._of_level(level, 0, 0) for level in self._levels]
        exact, competition = (self._read(first, rule, tuple(measures())) for rule in ("exact", "competition"))
        pairs = [(one.values, other.values) for one, other in zip(exact, competition, strict=True)]
        return tuple(
            name
            for name, one in measures().items()
            if any(ours.get(key) != theirs.get(key) for ours, theirs in pairs for key in one.keys)
        )

    def table(self, rule: Rule, names: tuple[str, ...]) -> Table:
        """Read every pool of every level, and the second pool and the untouched network beside every bank."""
        draws, per_draw = self._draws.pools.shape[:2]
        pools = [
            self._of_level(level, draw, place)
            for draw in range(draws)  # one bank after the other: processes keep those that they loaded last
            for level in self._levels
            for place in range(per_draw)
        ]
        references = [found for draw in range(draws) for found in (self._second_pool(draw), self._untouched(draw))]
        answers = self._read(pools + references, rule, names)
        keys = [key for name in names for key in measures()[name].keys]
        values = {key: np.array([answer.values.get(key, np.nan) for answer in answers]) for key in keys}
        of_levels = {
            key: array[: len(pools)].reshape(draws, len(self._levels), per_draw) for key, array in values.items()
        }
        of_references = {key: array[len(pools) :].reshape(draws, 2).mean(axis=0) for key, array in values.items()}
        return Table(
            levels=[{key: array[:, place] for key, array in of_levels.items()} for place in range(len(self._levels))],
            oracles={key: float(means[0]) for key, means in of_references.items()},
            untouched={key: float(means[1]) for key, means in of_references.items()},
            absent={name: reason for answer in answers for name, reason in answer.absent.items()},
        )

    def _of_level(self, level: Level, draw: int, place: int) -> Pools:
        members = self._draws.members(self._draws.pools[draw, place], self._models)
        return self._beside(draw, level.bank.digest, tuple(level.first + number for number in members))

    def _second_pool(self, draw: int) -> Pools:
        others = self._draws.members(self._draws.banks[draw, POOL_GROUPS:], self._models)
        return self._beside(draw, self._split.bank_digest, others)

    def _untouched(self, draw: int) -> Pools:
        return self._beside(draw, "", ())

    def _beside(self, draw: int, bank: str, models: tuple[int, ...]) -> Pools:
        groups = self._draws.banks[draw]
        oracles, others = (
            self._draws.members(half, self._models) for half in (groups[:POOL_GROUPS], groups[POOL_GROUPS:])
        )
        return Pools(bank, models, oracles, others)

    def _read(self, pools: Iterable[Pools], rule: Rule, names: tuple[str, ...]) -> list[Answer]:
        questions = [Question(self._store.url, self._split, rule, names, one) for one in pools]
        stored = set(self._store.list("readings"))
        open_questions = [question for question in questions if question.key not in stored]
        done = len(questions) - len(open_questions)
        started = time.monotonic()
        self._progress(Progress("readings", done, len(questions), 0, 0.0))
        futures = [self._pool.submit(answer, question) for question in open_questions]
        for fresh, future in enumerate(as_completed(futures), start=1):
            future.result()
            elapsed_s = time.monotonic() - started
            self._progress(Progress("readings", done + fresh, len(questions), fresh, elapsed_s))
        return [Answer(**json.loads(self._store.get(question.key))) for question in questions]


def answer(question: Question) -> None:
    """Measure the pools and store what was found; runs in a process of the pool."""
    store, pools = open_store(question.store_url), question.pools
    measuring = _measuring_set(question.store_url, question.split, question.rule, pools.oracles, pools.others)
    if pools.models:
        inputs = measuring.inputs(load_pool(store, pools.bank, pools.models))
    else:
        inputs = measuring.untouched(len(pools.oracles))
    found = measure_inputs(inputs, question.names, intervals=False)
    values = {key: value.value for key, value in found.values.items()}
    absent = {name: one.absent for name, one in found.measures.items() if one.absent}
    store.put(question.key, json.dumps({"values": values, "absent": absent}).encode())


@lru_cache(maxsize=2)
def _measuring_set(
    store_url: str, split: PreparedSplit, rule: Rule, oracles: tuple[int, ...], others: tuple[int, ...]
) -> MeasuringSet:
    return load_measuring_set(open_store(store_url), MetricSpec(rule=rule), OraclePools(split, oracles, others))
