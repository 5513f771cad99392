"""Verification: compare stored scores with those that the stored outputs give today."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from lethe.evaluator.contract.parts import part_pools
from lethe.evaluator.contract.states import Evaluation
from lethe.evaluator.metrics import METRIC_VERSION
from lethe.server.competitions.service import get_competition, prepared_competition, specification
from lethe.server.context import Context
from lethe.server.scoring.recompute import Recomputed, ReportProgress, recompute, stored_scores

TOLERANCE = 1e-9


@dataclass(frozen=True)
class Verified:
    """How many scores are the same to the bit, how many are within `TOLERANCE`, and which differ and why."""

    scores: int
    identical: int
    close: int
    different: tuple[str, ...]

    @property
    def sound(self) -> bool:
        """Whether every stored score was reproduced."""
        return not self.different


def verify(context: Context, slug: str, report: ReportProgress) -> Verified:
    """Compute every score of `slug` again under the rule of its receipt and compare it with the stored one."""
    with context.database.read() as session:
        competition = get_competition(session, slug, drafts=True)
        spec, prepared = specification(competition), prepared_competition(competition)
        stored = stored_scores(session, competition)
    banks = {
        evaluation: [one.against.split.bank_digest for one in part_pools(spec, prepared, evaluation)]
        for evaluation in Evaluation
    }
    identical = close = 0
    different: list[str] = []
    report(0, len(stored))
    again = recompute(context, spec, prepared, stored, lambda one: one.metric(spec.metric))
    for done, one in enumerate(again, 1):
        deviation = _deviation(one)
        reason = _refusal(one, banks[one.stored.evaluation], deviation)
        if reason:
            different.append(f"{one.stored.title}: {reason}")
        elif deviation == 0:
            identical += 1
        else:
            close += 1
        report(done, len(stored))
    return Verified(len(stored), identical, close, tuple(different))


def _refusal(one: Recomputed, banks: list[str], deviation: float) -> str:
    receipt = one.stored.receipt
    if one.score is None:
        return one.problem
    if receipt.get("metric_version") != METRIC_VERSION:
        return f"computed by metric version {receipt.get('metric_version')}, and this is {METRIC_VERSION}"
    named = [part["bank_digest"] for part in receipt.get("parts", ())] or [receipt.get("bank_digest")]
    for its, bank in zip(named, banks, strict=False):
        if its != bank:
            return f"its receipt names the oracle bank {its}, and the competition has {bank}"
    if one.stored.source is not None and receipt.get("source_sha256") != one.stored.source.sha256:
        return "its receipt names another source"
    if deviation > TOLERANCE:
        return f"{one.stored.numbers['final_score']!r} is stored, {one.score.final_score!r} came out"
    return ""


def _deviation(one: Recomputed) -> float:
    """Return the largest difference of any number of the score. Upper ends of intervals that were stored before they
    ended where scores do count as if they had.
    """
    if one.score is None:
        return float("inf")
    numbers = one.stored.numbers
    new = _flat({name: one.numbers[name] for name in numbers})
    if one.numbers["interval_high"] == 1.0:
        numbers = numbers | {"interval_high": min(1.0, numbers["interval_high"])}
    old = _flat(numbers)
    return float(np.abs(old - new).max()) if old.shape == new.shape else float("inf")


def _flat(numbers: dict[str, Any]) -> "np.ndarray[Any, np.dtype[np.float64]]":
    return np.hstack([np.asarray(numbers[name], dtype=np.float64) for name in sorted(numbers)])
