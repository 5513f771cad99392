"""What the host is told of memorised margins: answers right on the exact photographs and untouched on their copies."""

import numpy as np
import pytest
from safetensors.numpy import save

from lethe.evaluator.artifacts import ArtifactStore, open_store
from lethe.evaluator.artifacts.oracles import ModelRecord, record_key
from lethe.evaluator.artifacts.outputs import COPIES, Outputs, StackedOutputs, stack_outputs, write_outputs
from lethe.evaluator.contract.oracle_pools import OraclePools
from lethe.evaluator.contract.specification import MetricSpec
from lethe.evaluator.scoring.reference_set import ReferenceSet, load_reference_set
from tests.prepared_competitions import make_prepared_competition

N, FORGET, CLASSES = 32, 40, 3
COPIED = np.arange(0, FORGET, 2)
BANK = "c" * 64
UNTOUCHED = 3.0  # how far the original model's logits of the true class lie above the oracles'
LABELS = np.arange(FORGET) % CLASSES


def drawn(seed: int, *, forget: float = 0.0, copies: float | None = 0.0, sd: float = 0.7) -> Outputs:
    """A model that does not exist: logits around a truth, the true class raised by so much on each kind of image."""
    generator = np.random.default_rng(seed)
    truth = np.random.default_rng(0).normal(size=(FORGET, CLASSES))

    def logits(rows: np.ndarray, raised: float) -> np.ndarray:
        found = truth[rows] + generator.normal(scale=sd, size=(len(rows), CLASSES))
        found[np.arange(len(rows)), LABELS[rows]] += raised
        return found.astype(np.float32)

    parts = {part: logits(np.arange(FORGET), forget) for part in ("forget", "test", "retain")}
    accuracy = {"retain": 0.9, "forget": 0.5, "validation": 0.6, "test": 0.6}
    made = {} if copies is None else {kind: logits(COPIED, copies) for kind in COPIES}
    return Outputs(logits=parts, accuracy=accuracy, copies=made)


def pool(first: int, **changes: float | None) -> StackedOutputs:
    return stack_outputs([drawn(first + index, **changes) for index in range(N)])


def reference_set(store: ArtifactStore, *, has_copies: bool = True, others_raised: float = 0.0) -> ReferenceSet:
    """The reference set of drawn oracles; those of the second pool have the true class raised by `others_raised`."""
    evaluation = {"forget.labels": LABELS, "forget.person_id": LABELS}
    if has_copies:
        evaluation["copies.rows"] = COPIED
    for index in range(2 * N):
        outputs = drawn(index, forget=others_raised * (index >= N), copies=0.0 if has_copies else None)
        stored = store.put(f"outputs/{index}", write_outputs(outputs))
        record = ModelRecord(index=index, seed=index, checkpoint=stored, outputs=stored, wall_s=1.0, processor="none")
        store.put(record_key(BANK, index), record.model_dump_json().encode())
    prepared_competition = make_prepared_competition(
        store.put("other", b"other"),
        evaluation=store.put("evaluation", save(evaluation)),
        original_outputs=store.put("original", write_outputs(drawn(999, forget=UNTOUCHED, copies=UNTOUCHED, sd=0.1))),
        bank_digest=BANK,
        environment={},
    )
    return load_reference_set(store, MetricSpec(), OraclePools(prepared_competition.public, range(N), range(N, 2 * N)))


def codes(against: ReferenceSet, stacked: StackedOutputs) -> list[str]:
    unlearned = against.pool(stacked)
    return [finding.code for finding in against.findings(stacked, unlearned, against.score(unlearned))]


@pytest.fixture(scope="module")
def against() -> ReferenceSet:
    return reference_set(open_store("memory://"))


def test_memorised_margins_are_flagged(against: ReferenceSet) -> None:
    memorised = pool(5_000, copies=UNTOUCHED)
    assert codes(against, memorised) == ["copies_gap", "copies_gap"]
    unlearned = against.pool(memorised)
    messages = [one.message for one in against.findings(memorised, unlearned, against.score(unlearned))]
    assert ["flipped" in message for message in messages] == [True, False]


def test_unlearning_well_and_badly_are_not(against: ReferenceSet) -> None:
    assert codes(against, pool(5_000)) == []
    assert codes(against, pool(5_000, forget=1.0, copies=0.5)) == []
    assert codes(against, pool(5_000, forget=UNTOUCHED, copies=UNTOUCHED)) == []


def test_a_second_pool_that_is_of_no_use_takes_no_score_away(against: ReferenceSet) -> None:
    useless = reference_set(open_store("memory://"), others_raised=50.0)
    assert useless.ceiling.final_score == 0
    assert useless.floor(N).final_score == against.floor(N).final_score
    stacked = pool(5_000)
    score, expected = (one.score(one.pool(stacked)) for one in (useless, against))
    assert (score.final_score, score.interval) == (expected.final_score, expected.interval)
    assert codes(useless, stacked) == ["ceiling_zero"]


def test_without_copies_on_either_side_nothing_is_said(against: ReferenceSet) -> None:
    assert codes(against, pool(5_000, copies=None)) == []  # runs by a worker of the version before
    older = reference_set(open_store("memory://"), has_copies=False)
    assert codes(older, pool(5_000, copies=UNTOUCHED)) == []
