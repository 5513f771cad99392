"""What audits of weights showed before these were dropped: relearning, distances, barriers and CKA."""

from lethe.evaluator.contract.audits import AuditQuantity
from lethe.evaluator.measures.inputs import MeasureInputs
from lethe.evaluator.measures.registry import ANYTHING, NOT_NEGATIVE, PERCENT, RATE, Absent, Best, measure
from lethe.evaluator.metrics.pool import Floats

_QUESTION = "Does the knowledge come back?"


def _of(inputs: MeasureInputs, quantity: AuditQuantity) -> Floats:
    """(n,) the quantity of the audited networks."""
    if quantity not in inputs.audits:
        raise Absent("no audit has it")
    return inputs.audits[quantity]


def _register(
    quantity: AuditQuantity,
    title: str,
    *,
    source: str,
    unit: str = "",
    factor: float = 1.0,
    best: Best = "oracles",
    within: tuple[float, float] = ANYTHING,
) -> None:
    @measure(
        quantity.value, title=title, question=_QUESTION, scope="run", best=best, source=source, unit=unit,
        needs=("audits",), within=within,
    )  # fmt: skip
    def _quantity(inputs: MeasureInputs) -> Floats:
        return factor * _of(inputs, quantity)


_RELEARNING = "relearning on retain alone, arXiv 2505.22310"
_register(
    AuditQuantity.RELEARNED_FORGET_ACCURACY,
    "Forget accuracy after more training on retain",
    source=_RELEARNING,
    unit="%",
    factor=100,
    within=PERCENT,
)
_register(AuditQuantity.RELEARNED_FORGET_MARGIN, "Forget margin after more training on retain", source=_RELEARNING)


@measure(
    "relearned_gain",
    title="Forget accuracy that more training on retain brings back",
    unit="points",
    question=_QUESTION,
    scope="run",
    best="oracles",
    source=_RELEARNING,
    needs=("audits",),
)
def _relearned_gain(inputs: MeasureInputs) -> Floats:
    before, after = AuditQuantity.FORGET_ACCURACY, AuditQuantity.RELEARNED_FORGET_ACCURACY
    if len(_of(inputs, before)) != len(_of(inputs, after)):
        raise Absent("some audits lack the accuracy before or after")
    gain: Floats = 100 * (_of(inputs, after) - _of(inputs, before))
    return gain


_WEIGHTS = "relative to the norm of the original's weights"
_register(
    AuditQuantity.DISTANCE_TO_ORIGINAL,
    "Distance of the weights from the original's",
    source=_WEIGHTS,
    within=NOT_NEGATIVE,
)
_register(
    AuditQuantity.DISTANCE_TO_ORACLES, "Distance of the weights from oracles'", source=_WEIGHTS, within=NOT_NEGATIVE
)
_PATH = "loss on retain along the straight path, Frankle et al. 2020"
_register(AuditQuantity.BARRIER_TO_ORIGINAL, "Barrier on the path to the original", source=_PATH)
_register(AuditQuantity.BARRIER_TO_ORACLE, "Barrier on the path to an oracle", source=_PATH)
_CKA = "linear CKA of the last features, Kornblith et al. 2019"
_register(AuditQuantity.CKA_WITH_ORIGINAL, "Similarity of features to the original's", source=_CKA, within=RATE)
_register(AuditQuantity.CKA_WITH_ORACLES, "Similarity of features to oracles'", source=_CKA, within=RATE)
