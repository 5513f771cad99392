"""Membership attacks on a single model: the starting kit's loss attack and the SVC attacks on five features."""

from dataclasses import asdict, dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lethe.evaluator.measures.inputs import MeasureInputs, shared
from lethe.evaluator.measures.logistic_fit import call_members, fit_logistic
from lethe.evaluator.measures.registry import PERCENT, RATE, Absent, measure
from lethe.evaluator.metrics.pool import Floats

_SPLITS = 10
_MIN_LOSSES = 11
_TINY = 1e-45


def simple_mia(forget_losses: ArrayLike, test_losses: ArrayLike, *, balanced: bool = True, seed: int = 0) -> float:
    """Accuracy in [0, 1] of distinguishing forget from test images by their loss; 0.5 is guessing.

    Logistic regression on one loss per image, (n,) and (m,) float64, mean over 10 stratified splits that hold out a
    tenth (starting kit of the 2023 challenge). `balanced` first draws as many images of the larger set as the smaller
    one has (seed 001's form); otherwise always guessing the larger set beats 0.5. Deterministic for a `seed`.
    Raises ValueError for non-finite losses or fewer than 11 of them.
    """
    forget, test = (np.asarray(losses, dtype=np.float64) for losses in (forget_losses, test_losses))
    if forget.ndim != 1 or test.ndim != 1:
        raise ValueError("the simple membership attack needs two vectors of finite losses")
    return float(loss_attacks(forget[None], test[None], balanced=balanced, seed=seed)[0])


def loss_attacks(forget: Floats, test: Floats, *, balanced: bool = True, seed: int = 0) -> Floats:
    """(N,) `simple_mia` of N networks from their losses, (N, n) and (N, m); all draw the same images and splits."""
    from sklearn.model_selection import StratifiedShuffleSplit  # takes a second to import

    if not (np.isfinite(forget).all() and np.isfinite(test).all()):
        raise ValueError("the simple membership attack needs two vectors of finite losses")
    if balanced:
        size = min(forget.shape[1], test.shape[1])
        generator = np.random.default_rng(seed)
        forget, test = (losses[:, generator.choice(losses.shape[1], size, replace=False)] for losses in (forget, test))
    losses = np.concatenate((forget, test), axis=1).T
    members = np.repeat([1, 0], [forget.shape[1], test.shape[1]])
    if min(members.sum(), len(members) - members.sum()) < 2 or len(members) < _MIN_LOSSES:
        raise ValueError(f"the simple membership attack needs at least {_MIN_LOSSES} losses, 2 of each set")
    accuracies = []
    splits = StratifiedShuffleSplit(n_splits=_SPLITS, test_size=0.1, random_state=seed)
    for train, held_out in splits.split(members, members):
        called = call_members(losses[held_out], fit_logistic(losses[train], members[train]))
        accuracies.append((called == members[held_out][:, None]).mean(axis=0))
    accuracy: Floats = np.mean(accuracies, axis=0)
    return accuracy


@dataclass(frozen=True)
class SvcMia:
    """Fraction of the forget images that each attack calls members; compare it with an oracle's."""

    correctness: float
    confidence: float
    entropy: float
    modified_entropy: float
    probability: float


def svc_mia(
    retain: tuple[ArrayLike, ArrayLike], test: tuple[ArrayLike, ArrayLike], forget: tuple[ArrayLike, ArrayLike]
) -> SvcMia:
    """Five support vector machines on one model's answers, each set given as logits (n, C) and labels (n,).

    SVC(C=3, rbf, gamma="auto") is trained on the first len(test) retain images (members) against test, on correctness,
    confidence, entropy, modified entropy (Song and Mittal, 2021, section 4) and the probability vector, as the code of
    seed 004 does. Raises ValueError for empty sets, wrong shapes or non-finite logits.
    """
    from sklearn.svm import SVC  # takes a second to import

    members, others, targets = (_features(*answers) for answers in (retain, test, forget))
    called = {}
    for name in members:
        known, unknown = members[name][: len(others[name])], others[name]
        classifier = SVC(C=3, kernel="rbf", gamma="auto")
        classifier.fit(np.concatenate((known, unknown)), np.repeat([1, 0], [len(known), len(unknown)]))
        called[name] = float(np.mean(classifier.predict(targets[name])))
    return SvcMia(**called)


def _features(logits: ArrayLike, labels: ArrayLike) -> dict[str, Floats]:
    """The five features of every image, each (n, d)."""
    scores = np.asarray(logits, dtype=np.float64)
    classes: NDArray[np.intp] = np.asarray(labels).astype(np.intp)
    if scores.ndim != 2 or classes.shape != scores.shape[:1] or not scores.size or not np.isfinite(scores).all():
        raise ValueError("each set needs finite logits (n, classes) and labels (n,), n ≥ 1")
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    probabilities = weights / weights.sum(axis=1, keepdims=True)
    rows = np.arange(len(scores))
    true = probabilities[rows, classes]
    log_p, log_rest = np.log(probabilities + _TINY), np.log(1 - probabilities + _TINY)
    wrong = probabilities * log_rest
    wrong[rows, classes] = 0
    features = {
        "correctness": (scores.argmax(axis=1) == classes).astype(np.float64),
        "confidence": true,
        "entropy": -(probabilities * log_p).sum(axis=1),
        "modified_entropy": -(1 - true) * log_p[rows, classes] - wrong.sum(axis=1),
    }
    return {**{name: values[:, None] for name, values in features.items()}, "probability": probabilities}


ATTACKED = 32
"""So many runs are attacked by support vector machines, which take seconds for each at full size."""
_QUESTION = "Does a single network give its forgotten images away?"


@measure(
    "simple_mia",
    title="Loss attack, accuracy",
    question=_QUESTION,
    scope="run",
    best="oracles",
    source="starting kit of 2023, here balanced",
    within=RATE,
    needs=("test",),
)
def _simple_mia(inputs: MeasureInputs) -> Floats:
    try:
        return loss_attacks(*(_losses(inputs.margins[part][0]) for part in ("forget", "test")))
    except ValueError as error:
        raise Absent(str(error)) from error


def _losses(margins: Floats) -> Floats:
    """Cross-entropies from margins, since p = 1 / (1 + exp(−margin))."""
    losses: Floats = np.logaddexp(0, -margins)
    return losses


@shared
def _svc_attacks(inputs: MeasureInputs) -> list[dict[str, float]]:
    assert inputs.logits is not None and inputs.labels is not None  # noqa: S101, PT018 - both are needed
    sets = [(inputs.logits[part][:ATTACKED], inputs.labels[part]) for part in ("retain", "test", "forget")]
    runs = range(min(ATTACKED, inputs.models))
    return [asdict(svc_mia(*((logits[run], labels) for logits, labels in sets))) for run in runs]


def _register_svc(feature: str) -> None:
    @measure(
        f"svc_{feature}",
        title=f"Vector machine attack on {feature.replace('_', ' ')}",
        unit="%",
        question=_QUESTION,
        scope="run",
        best="oracles",
        source=f"seed 004, of the first {ATTACKED} runs",
        within=PERCENT,
        needs=("logits", "labels", "retain", "test"),
    )
    def _share(inputs: MeasureInputs) -> Floats:
        return np.array([100 * attack[feature] for attack in _svc_attacks(inputs)])


for _feature in fields(SvcMia):
    _register_svc(_feature.name)
