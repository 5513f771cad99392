"""One logistic regression per forget example on a scalar of each model: the 2023 community's version of the metric."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from lethe.evaluator.measures.inputs import MeasureInputs, shared
from lethe.evaluator.measures.logistic_fit import call_members, fit_logistic
from lethe.evaluator.measures.registry import RATE, measure
from lethe.evaluator.metrics.pool import Floats, checked_pair

DELTA = 1e-6
_BIN_WIDTH = 0.5


@dataclass(frozen=True, eq=False)
class LogisticAttack:
    """Per example, (E,): epsilon (inf: separated, NaN: undecided) and accuracy; and their summaries.

    `forgetting_quality` is the mean over the decided examples of the mean over their decided folds of 2^−(bin index),
    NaN when there is none.
    """

    epsilon: Floats
    accuracy: Floats
    forgetting_quality: float
    mean_accuracy: float
    undecided: int


def logistic_attack(unlearned: ArrayLike, retrained: ArrayLike) -> LogisticAttack:
    """Attack every example by a logistic regression on one scalar per model (margin or loss), 2-fold cross-validated.

    `unlearned` (M, E), `retrained` (N, E) float64, M, N ≥ 4. Epsilon per fold is
    max(ln((1 − δ − FPR)/FNR), ln((1 − δ − FNR)/FPR)) with δ = 1e-6, clipped at 0; a fold in which exactly one rate is
    zero is undecided, one in which both are scores 0. Each decided fold is scored by its own bin, of width 0.5, and the
    scores are averaged, as in AlbinSou/unlearning-challenge-metric. Epsilon is the mean over the decided folds, and
    accuracy that over both. In that repository a separated fold leaves the mean, which rewards perfect separation, the
    bin from 3.5 on is the last one, and the folds are the first and the second half; here they are drawn, always alike.
    Raises ValueError on wrong shapes, non-finite values or smaller pools.
    """
    from sklearn.model_selection import StratifiedKFold  # takes a second to import

    ours, theirs = checked_pair(unlearned, retrained)
    if min(len(ours), len(theirs)) < 4:
        raise ValueError("the logistic attack needs at least 4 runs and 4 oracles")
    members = np.repeat([1, 0], [len(ours), len(theirs)])
    folds = list(StratifiedKFold(n_splits=2, shuffle=True, random_state=0).split(members, members))
    epsilon, quality, accuracy = (np.empty(ours.shape[1]) for _ in range(3))
    values = np.concatenate((ours, theirs))
    called = [
        call_members(values[held_out], fit_logistic(values[train], members[train])).astype(np.int64)
        for train, held_out in folds
    ]
    for e in range(ours.shape[1]):
        results = [_fold(fold[:, e], members[held_out]) for fold, (_, held_out) in zip(called, folds, strict=True)]
        epsilons, accuracies = zip(*results, strict=True)
        decided_folds = np.array([value for value in epsilons if not np.isnan(value)])
        epsilon[e] = decided_folds.mean() if len(decided_folds) else np.nan
        quality[e] = np.exp2(-np.floor(decided_folds / _BIN_WIDTH)).mean() if len(decided_folds) else np.nan
        accuracy[e] = np.mean(accuracies)
    decided = ~np.isnan(epsilon)
    return LogisticAttack(
        epsilon=epsilon,
        accuracy=accuracy,
        forgetting_quality=float(quality[decided].mean()) if decided.any() else float("nan"),
        mean_accuracy=float(accuracy.mean()),
        undecided=int((~decided).sum()),
    )


def _fold(called: np.ndarray, members: np.ndarray) -> tuple[float, float]:
    false_positive = float(called[members == 0].mean())
    false_negative = float(1 - called[members == 1].mean())
    accuracy = float((called == members).mean())
    if false_positive == 0 and false_negative == 0:
        return float("inf"), accuracy
    if false_positive == 0 or false_negative == 0:
        return float("nan"), accuracy
    ratio = max((1 - DELTA - false_positive) / false_negative, (1 - DELTA - false_negative) / false_positive)
    return float(np.log(max(ratio, 1.0))), accuracy


@measure(
    "logistic_accuracy",
    title="Logistic regression attack, accuracy",
    question="Can the runs be told from oracles?",
    scope="pool",
    best="oracles",
    source="community metric of 2023 (seed 001)",
    within=RATE,
)
def _logistic_accuracy(inputs: MeasureInputs) -> float:
    return _attack(inputs).mean_accuracy


@measure(
    "logistic_quality",
    title="Forgetting quality by logistic regression",
    question="Can the runs be told from oracles?",
    scope="pool",
    best="oracles",
    source="community metric of 2023 (seed 001)",
    within=RATE,
)
def _logistic_quality(inputs: MeasureInputs) -> float:
    return _attack(inputs).forgetting_quality


@shared
def _attack(inputs: MeasureInputs) -> LogisticAttack:
    return logistic_attack(*inputs.forget)
