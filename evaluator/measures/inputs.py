"""What measures are computed from: the outputs of N models, and of the M oracles that they are compared with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lethe.evaluator.metrics import Pool, Rule, Score
from lethe.evaluator.metrics.pool import Floats, checked_pair
from lethe.evaluator.metrics.uncertainty import kept_rows

Part = Literal["forget", "retain", "test"]
Logits = Mapping[str, NDArray[np.float32]]
Labels = Mapping[str, NDArray[np.int64]]
Pair = tuple[Floats, Floats]
Result = TypeVar("Result")

ACCURACIES = ("retain", "forget", "test")


@dataclass(frozen=True, eq=False, kw_only=True)
class MeasureInputs:
    """N models (runs, or oracles and the original network in their place) beside M oracles; None is what nobody knows.

    `margins` by part: (N, E) of the models and (M, E) of the oracles, float64; `forget` is always there, `retain` is
    the fixed retain sample. `accuracies` by part (`retain`, `forget`, `test`): (N,) and (M,) in [0, 1]. `identities`:
    (E,) the person on each forget image. `original`: (E,) the original network's margins on them. `logits` and
    `oracle_logits` by part: (N, E, C) and (M, E, C), with `labels` (E,). `resources`: (N,) by name, of each run;
    `training_s`: (M,) seconds that each oracle took. `audits`: (n,) by quantity, of the few models that were audited
    before their weights were dropped. `score` and `ceiling`: of the models, and of the second pool of oracles.
    """

    margins: Mapping[Part, Pair]
    accuracies: Mapping[str, Pair] = field(default_factory=dict)
    rule: Rule = "exact"
    identities: NDArray[np.generic] | None = None
    original: Floats | None = None
    logits: Logits | None = None
    oracle_logits: Logits | None = None
    labels: Labels | None = None
    resources: Mapping[str, Floats] = field(default_factory=dict)
    training_s: Floats | None = None
    audits: Mapping[str, Floats] = field(default_factory=dict)
    score: Score | None = None
    ceiling: Score | None = None
    computed: dict[Any, Any] = field(default_factory=dict, init=False, repr=False)

    @property
    def forget(self) -> Pair:
        """Margins on the forget images: (N, E) of the models, (M, E) of the oracles."""
        return self.margins["forget"]

    @property
    def models(self) -> int:
        """N."""
        return len(self.forget[0])

    @property
    def oracles(self) -> int:
        """M."""
        return len(self.forget[1])

    def take(self, models: NDArray[np.intp], oracles: NDArray[np.intp]) -> "MeasureInputs":
        """Return the inputs with these models and oracles only; without what is of all of them, such as logits."""
        return replace(
            self,
            margins={part: (ours[models], theirs[oracles]) for part, (ours, theirs) in self.margins.items()},
            accuracies={part: (ours[models], theirs[oracles]) for part, (ours, theirs) in self.accuracies.items()},
            logits=None,
            oracle_logits=None,
            score=None,
            ceiling=None,
        )

    def without(self, group: int, groups: int) -> "MeasureInputs":
        """Return the inputs without this group of the jackknife; made once, so that measures share what they compute.

        Model i belongs to group i mod `groups`.
        """
        if (group, groups) not in self.computed:
            kept = (kept_rows(models, group, groups) for models in (self.models, self.oracles))
            self.computed[group, groups] = self.take(*kept)
        taken: MeasureInputs = self.computed[group, groups]
        return taken


def shared(compute: Callable[[MeasureInputs], Result]) -> Callable[[MeasureInputs], Result]:
    """Decorate a function that several measures call: it is computed once for the same inputs."""

    @wraps(compute)
    def once(inputs: MeasureInputs) -> Result:
        if compute not in inputs.computed:
            inputs.computed[compute] = compute(inputs)
        result: Result = inputs.computed[compute]
        return result

    return once


def inputs_of_pools(
    unlearned: Pool,
    retrained: Pool,
    *,
    rule: Rule = "exact",
    identities: ArrayLike | None = None,
    score: Score | None = None,
    ceiling: Score | None = None,
) -> MeasureInputs:
    """Return the inputs that two pools have: margins on the forget images, and the accuracies that both know.

    Raises ValueError when the pools are of different examples.
    """
    known = {}
    for part in ACCURACIES:
        ours, theirs = (getattr(pool, f"{part}_accuracy") for pool in (unlearned, retrained))
        if ours is not None and theirs is not None:
            known[part] = (ours, theirs)
    return MeasureInputs(
        margins={"forget": checked_pair(unlearned.margins, retrained.margins)},
        accuracies=known,
        rule=rule,
        identities=None if identities is None else np.asarray(identities),
        score=score,
        ceiling=ceiling,
    )
