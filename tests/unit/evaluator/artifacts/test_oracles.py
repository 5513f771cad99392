"""Pools are read from finished records only, in the order that was asked for."""

import numpy as np
import pytest

from lethe.evaluator.artifacts import ArtifactCorrupt, ArtifactMissing, ArtifactStore, open_store
from lethe.evaluator.artifacts.oracles import ModelRecord, load_pool, read_record, record_key, trained_indices
from lethe.evaluator.artifacts.outputs import Outputs, OutputsInvalid, write_outputs
from lethe.evaluator.contract.prepared_competition import ArtifactRef

BANK = "ab" * 32


def outputs(index: int) -> Outputs:
    logits = {part: np.full((2, 3), index, dtype=np.float32) for part in ("forget", "test", "retain")}
    return Outputs(logits=logits, accuracy=dict.fromkeys(("retain", "forget", "validation", "test"), 0.5))


def commit(store: ArtifactStore, index: int, bank: str = BANK) -> None:
    ref = store.put(f"banks/{bank}/outputs/{index}.safetensors", write_outputs(outputs(index)))
    record = ModelRecord(index=index, seed=index, checkpoint=ref, outputs=ref, wall_s=1.5, processor="test")
    store.put(record_key(bank, index), record.model_dump_json().encode())


@pytest.fixture
def store() -> ArtifactStore:
    return open_store("memory://")


def test_pool_in_the_given_order(store: ArtifactStore) -> None:
    for index in (3, 0, 12):
        commit(store, index)
    assert trained_indices(store, BANK) == [0, 3, 12]
    assert read_record(store, BANK, 12).wall_s == 1.5
    pool = load_pool(store, BANK, [12, 0])
    assert pool.logits["forget"][:, 0, 0].tolist() == [12, 0]


def test_another_bank_is_not_seen(store: ArtifactStore) -> None:
    commit(store, 0, bank="cd" * 32)
    assert trained_indices(store, BANK) == []
    with pytest.raises(ArtifactMissing, match="lacks 1 of 1"):
        load_pool(store, BANK, [0])


def test_outputs_without_a_record_do_not_count(store: ArtifactStore) -> None:
    commit(store, 0)
    store.put(f"banks/{BANK}/outputs/1.safetensors", write_outputs(outputs(1)))
    with pytest.raises(ArtifactMissing, match=r"lacks 1 of 2 oracles, e\.g\. 1"):
        load_pool(store, BANK, range(2))


def test_changed_bytes_are_found(store: ArtifactStore) -> None:
    ref = store.put("other", write_outputs(outputs(0)))
    wrong = ArtifactRef(key=ref.key, sha256="0" * 64)
    record = ModelRecord(index=0, seed=0, checkpoint=wrong, outputs=wrong, wall_s=0, processor="test")
    store.put(record_key(BANK, 0), record.model_dump_json().encode())
    with pytest.raises(ArtifactCorrupt):
        load_pool(store, BANK, [0])


def test_no_indices(store: ArtifactStore) -> None:
    with pytest.raises(OutputsInvalid, match="no outputs"):
        load_pool(store, BANK, [])
