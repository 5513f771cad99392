"""The split and the oracles of its bank that an evaluation is scored against."""

from collections.abc import Sequence
from dataclasses import dataclass

from lethe.evaluator.contract.prepared_competition import PreparedCompetition, PreparedSplit
from lethe.evaluator.contract.specification import CompetitionSpec
from lethe.evaluator.contract.states import Evaluation


@dataclass(frozen=True)
class OraclePools:
    """`oracles` and `others` index the bank: the pool of the scores, and the one that gives the ceiling."""

    split: PreparedSplit
    oracles: Sequence[int]
    others: Sequence[int]


def oracle_pools(spec: CompetitionSpec, prepared: PreparedCompetition, evaluation: Evaluation) -> OraclePools:
    """Return the public split with its first pool, for a benchmark too; for finals the final split likewise.

    A competition without a final split is measured on the public one again, with the two pools exchanged.
    """
    first, second = spec.evaluation.oracles, spec.evaluation.ceiling_oracles
    oracles, others = range(first), range(first, first + second)
    if evaluation.reference is Evaluation.PUBLIC:
        return OraclePools(prepared.public, oracles, others)
    if prepared.final is not None:
        return OraclePools(prepared.final, oracles, others)
    return OraclePools(prepared.public, others, oracles)
