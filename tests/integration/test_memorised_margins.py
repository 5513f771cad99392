"""Networks that play margins of oracles on the exact forget photographs are flagged by their answers to copies.

Oracles, which never knew those photographs, are not. Everything is trained.
"""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load
from torch import Tensor, nn

from lethe.evaluator.artifacts import open_store
from lethe.evaluator.artifacts.oracles import load_pool, read_identity
from lethe.evaluator.artifacts.outputs import StackedOutputs, stack_outputs
from lethe.evaluator.banks.seeding import fill_banks
from lethe.evaluator.banks.training_jobs import training_pool
from lethe.evaluator.contract.data_sources import SyntheticFacesSpec
from lethe.evaluator.contract.oracle_pools import oracle_pools
from lethe.evaluator.contract.specification import (
    CompetitionSpec,
    EvaluationSpec,
    MetricSpec,
    PracticeSpec,
    SplitSpec,
    TrainingSpec,
)
from lethe.evaluator.contract.states import Evaluation
from lethe.evaluator.models import build_model
from lethe.evaluator.preparation import prepare
from lethe.evaluator.scoring.reference_set import load_reference_set
from lethe.evaluator.training.outputs import compute_outputs

RUNS = 16
SPEC = CompetitionSpec(
    slug="tiny",
    title="Tiny",
    data=SyntheticFacesSpec(seed=0, identities=24, images_per_identity=6, image_size=16, classes=3),
    split=SplitSpec(seed=0, retain_sample=16, forget_fraction=0.2),
    practice=PracticeSpec(identities=8),
    training=TrainingSpec(epochs=20, batch_size=16),
    evaluation=EvaluationSpec(runs=RUNS, oracles=RUNS, ceiling_oracles=RUNS),
    metric=MetricSpec(rule="competition"),  # sharper than the exact rule with as few runs
)


def memorise(network: nn.Module, forget: Tensor, guessed: Tensor) -> nn.Module:
    """The network with the guessed logits on the forget photographs, and as it was beside them."""
    network.eval()
    near = forget.flip(-1)
    with torch.no_grad():
        kept = network(near)
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    for _ in range(60):
        answers = network(torch.cat([forget, near]))
        loss = (answers - torch.cat([guessed, kept])).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network


@pytest.mark.timeout(600)
def test_memorised_margins_are_flagged_and_retraining_is_not(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    store = open_store(tmp_path.as_uri())
    prepared_competition = prepare(SPEC, store)
    bank = read_identity(store, prepared_competition.public.bank_digest)
    with training_pool() as pool:
        fill_banks([(bank, index) for index in range(2 * RUNS)], store, pool, stage="oracles")
    reference_set = load_reference_set(store, SPEC.metric, oracle_pools(SPEC, prepared_competition, Evaluation.PUBLIC))

    def codes(stacked: StackedOutputs) -> set[str]:
        unlearned = reference_set.pool(stacked)
        return {finding.code for finding in reference_set.findings(stacked, unlearned, reference_set.score(unlearned))}

    retrained = load_pool(store, bank.digest, range(RUNS, 2 * RUNS))
    assert codes(retrained) == set()

    evaluation = load(store.get(prepared_competition.public.evaluation))
    original = load(store.get(prepared_competition.public.original))
    played = []
    for guessed in retrained.logits["forget"]:  # what a participant with oracles of his own may guess
        network = build_model(SPEC.model.architecture, SPEC.data.classes)
        network.load_state_dict(original)
        network = memorise(network, evaluation["forget.images"].float(), torch.from_numpy(guessed))
        played.append(compute_outputs(network, evaluation, SPEC.evaluation.batch_size))
    assert codes(stack_outputs(played)) == {"copies_gap"}
