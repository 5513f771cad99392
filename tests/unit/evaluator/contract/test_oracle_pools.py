"""What each evaluation measures against, with and without a final split."""

from lethe.evaluator.contract.oracle_pools import oracle_pools
from lethe.evaluator.contract.prepared_competition import ArtifactRef
from lethe.evaluator.contract.specification import CompetitionSpec, EvaluationSpec
from lethe.evaluator.contract.states import Evaluation
from tests.prepared_competitions import make_prepared_competition

SPEC = CompetitionSpec(slug="c", title="C", evaluation=EvaluationSpec(runs=8, oracles=9, ceiling_oracles=10))
PREPARED = make_prepared_competition(ArtifactRef(key="k", sha256="0"), environment={})


def test_without_a_final_split_the_pools_change_places() -> None:
    public, final, benchmark = (
        oracle_pools(SPEC, PREPARED, evaluation)
        for evaluation in (Evaluation.PUBLIC, Evaluation.FINAL, Evaluation.BENCHMARK)
    )
    assert public.split is final.split is PREPARED.public
    assert benchmark == public
    assert (public.oracles, public.others) == (range(9), range(9, 19))
    assert (final.oracles, final.others) == (range(9, 19), range(9))


def test_a_final_split_has_pools_of_its_own() -> None:
    split = PREPARED.public.model_copy(update={"bank_digest": "f" * 64})
    final = oracle_pools(SPEC, PREPARED.model_copy(update={"final": split}), Evaluation.FINAL)
    assert final.split is split
    assert (final.oracles, final.others) == (range(9), range(9, 19))
