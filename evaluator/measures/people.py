"""Every forgotten person by all of their images: means over the images, and an attack on all of them at once."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from lethe.evaluator.measures.bounds import epsilon_lower_bound
from lethe.evaluator.measures.epsilon import image_epsilon
from lethe.evaluator.measures.inputs import MeasureInputs, shared
from lethe.evaluator.measures.likelihood import image_klom
from lethe.evaluator.measures.registry import NOT_NEGATIVE, RATE, measure
from lethe.evaluator.metrics.pool import Floats, checked_pair

_QUESTION = "Is each person safe?"
_TINY = 1e-6


@dataclass(frozen=True, eq=False)
class PersonAttack:
    """Per person in sorted order, (P,): balanced accuracy in [0, 1], 0.5 is guessing; certified epsilon ≥ 0."""

    accuracy: Floats
    epsilon: Floats


def person_attack(unlearned: ArrayLike, retrained: ArrayLike, identities: ArrayLike) -> PersonAttack:
    """Attack each person by all of their images jointly: a linear discriminant of the k margins.

    `unlearned` (M, E), `retrained` (N, E) float64 margins, M, N ≥ 4; `identities` (E,). The discriminant (covariance
    within the pools by Ledoit and Wolf, "A well-conditioned estimator for large-dimensional covariance matrices", 2004)
    is fitted to every second model and judged on the others, ties half; then the halves swap roles, and their
    accuracies are averaged. A shift of half a deviation is found on one image in 60% of cases, on six independent ones
    in 73%. Epsilon is `epsilon_lower_bound` of the discriminant that was fitted to models with even index: the others
    judge it. Raises ValueError on wrong shapes, non-finite margins or smaller pools.
    """
    ours, theirs = checked_pair(unlearned, retrained)
    people, member = np.unique(np.asarray(identities), return_inverse=True)
    if member.shape != ours.shape[1:]:
        raise ValueError(f"identities must have the shape {ours.shape[1:]}, one per image, not {member.shape}")
    if min(len(ours), len(theirs)) < 4:
        raise ValueError("the attack on people needs at least 4 runs and 4 oracles")
    accuracy, epsilon = np.empty(len(people)), np.empty(len(people))
    for person in range(len(people)):
        pools = ours[:, member == person], theirs[:, member == person]
        halves = []
        for fit in (0, 1):
            run_side, oracle_side = _discriminant(pools[0][fit::2], pools[1][fit::2], pools)
            hits = (1 + np.sign(run_side[1 - fit :: 2])).mean() / 2
            rejections = (1 - np.sign(oracle_side[1 - fit :: 2])).mean() / 2
            halves.append((hits + rejections) / 2)
            if fit == 0:
                epsilon[person] = epsilon_lower_bound(run_side[:, None], oracle_side[:, None])[0]
        accuracy[person] = np.mean(halves)
    return PersonAttack(accuracy, epsilon)


def _discriminant(ours: Floats, theirs: Floats, pools: tuple[Floats, Floats]) -> list[Floats]:
    """(M,) and (N,) Fisher's discriminant of both `pools`, fitted to `ours` and `theirs`; positive is like a run."""
    from sklearn.covariance import ledoit_wolf  # takes a second to import

    means = ours.mean(axis=0), theirs.mean(axis=0)
    within = np.concatenate((ours - means[0], theirs - means[1]))
    deviations = np.maximum(within.std(axis=0), _TINY)
    covariance, _ = ledoit_wolf(within / deviations, assume_centered=True)
    # The ridge is for margins without any spread.
    ridge = _TINY * np.eye(len(deviations))
    direction = np.linalg.solve(covariance + ridge, (means[0] - means[1]) / deviations) / deviations
    return [(pool - (means[0] + means[1]) / 2) @ direction for pool in pools]


def mean_of_people(values: Floats, identities: ArrayLike) -> Floats:
    """(P,) means of `values` (E,) over the images of each person, in sorted order of `identities` (E,)."""
    _, member = np.unique(np.asarray(identities), return_inverse=True)
    means: Floats = np.bincount(member, weights=values) / np.bincount(member)
    return means


@measure(
    "person_klom",
    title="KL divergence of margins, mean over a person's images",
    unit="nats",
    question=_QUESTION,
    scope="person",
    best="oracles",
    source="Georgiev et al. 2024",
    within=NOT_NEGATIVE,
    needs=("identities",),
)
def _person_klom(inputs: MeasureInputs) -> Floats:
    return mean_of_people(image_klom(inputs), _identities(inputs))


@measure(
    "person_epsilon",
    title="Epsilon of the score's rule, mean over a person's images",
    question=_QUESTION,
    scope="person",
    best="oracles",
    source="docs/metric.md",
    within=NOT_NEGATIVE,
    needs=("identities",),
)
def _person_epsilon(inputs: MeasureInputs) -> Floats:
    return mean_of_people(image_epsilon(inputs), _identities(inputs))


@measure(
    "person_accuracy",
    title="Attack on all images of a person, accuracy",
    question=_QUESTION,
    scope="person",
    best="oracles",
    source="linear discriminant with the covariance of Ledoit and Wolf 2004",
    within=RATE,
    needs=("identities",),
)
def _person_accuracy(inputs: MeasureInputs) -> Floats:
    return _attack(inputs).accuracy


@measure(
    "person_epsilon_lower_bound",
    title="Certified lower bound on epsilon, all images of a person",
    question=_QUESTION,
    scope="person",
    best="oracles",
    source="Clopper–Pearson bounds of the linear discriminant, fitted to other networks",
    within=NOT_NEGATIVE,
    needs=("identities",),
)
def _person_epsilon_lower_bound(inputs: MeasureInputs) -> Floats:
    return _attack(inputs).epsilon


@shared
def _attack(inputs: MeasureInputs) -> PersonAttack:
    return person_attack(*inputs.forget, _identities(inputs))


def _identities(inputs: MeasureInputs) -> ArrayLike:
    assert inputs.identities is not None  # noqa: S101 - the measures need them
    return inputs.identities
