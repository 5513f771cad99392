"""The measures of one method for a table, each with its mean and 95% interval."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lethe.evaluator.artifacts.outputs import StackedOutputs
from lethe.evaluator.measures import fidelity, relative_unlearning_accuracy, svc_mia
from lethe.evaluator.metrics import Score
from lethe.evaluator.metrics.uncertainty import interval, jackknife_error, t_quantile

Labels = Mapping[str, NDArray[np.int64]]
"""Labels of the evaluation bundle by part: `forget`, `test` and `retain_sample`."""


@dataclass(frozen=True)
class Estimate:
    """A value with its two-sided 95% interval; both ends are NaN where it has no measurement error."""

    mean: float
    low: float
    high: float


def estimate_measures(
    score: Score, unlearned: StackedOutputs, retrained: StackedOutputs, labels: Labels, wall_s: Sequence[float]
) -> dict[str, Estimate]:
    """The measures by name, in the order of MEASURES; those of `wall_s` are missing when it is empty.

    F and score have the metric's own jackknife intervals over runs and oracles; the others t intervals over the N
    runs. Accuracies, rUA, fidelity and attacks are in percent. rUA and fidelity compare each run with all oracles;
    their intervals leave out the draw of the oracles.
    """
    quality_error = float(jackknife_error(score.quality_replicates))
    found = {
        "F": Estimate(
            score.forgetting_quality,
            *interval(score.forgetting_quality, quality_error, len(score.quality_replicates) - 1),
        ),
        "score": Estimate(score.final_score, *score.interval),
        "UA": over_runs(100 * unlearned.accuracy["forget"]),
        "RA": over_runs(100 * unlearned.accuracy["retain"]),
        "TA": over_runs(100 * unlearned.accuracy["test"]),
    }
    ours, theirs = (outputs.logits["forget"].argmax(axis=2) for outputs in (unlearned, retrained))  # (N, E)
    truth = labels["forget"]
    found["rUA"] = over_runs([relative_unlearning_accuracy(run[None], theirs, truth) for run in ours])
    found["fidelity"] = over_runs([fidelity(run[None], theirs) for run in ours])
    attacks = list(_attacks(unlearned, labels))
    for name in attacks[0]:
        found[f"MIA {name.replace('_', ' ')}"] = over_runs([100 * attack[name] for attack in attacks])
    if len(wall_s):
        found["run time"] = over_runs(wall_s)
    return found


def over_runs(values: ArrayLike) -> Estimate:
    """Mean and t interval of one value per run, N ≥ 2."""
    array = np.asarray(values, dtype=np.float64)
    mean = float(array.mean())
    half = t_quantile(len(array) - 1) * float(array.std(ddof=1)) / float(np.sqrt(len(array)))
    return Estimate(mean, mean - half, mean + half)


def _attacks(unlearned: StackedOutputs, labels: Labels) -> Iterator[dict[str, float]]:
    """The five membership attacks on every run."""
    logits = unlearned.logits
    for retain, test, forget in zip(logits["retain"], logits["test"], logits["forget"], strict=True):
        attack = svc_mia((retain, labels["retain_sample"]), (test, labels["test"]), (forget, labels["forget"]))
        yield asdict(attack)
