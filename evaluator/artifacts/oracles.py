"""Banks of models as they are stored: one record per finished model, and the pools that scoring reads."""

from collections.abc import Iterable, Iterator

from pydantic import Field

from lethe.evaluator.artifacts.outputs import Outputs, StackedOutputs, read_outputs, stack_outputs
from lethe.evaluator.artifacts.store import ArtifactMissing, ArtifactStore
from lethe.evaluator.contract.bank import BankIdentity
from lethe.evaluator.contract.base import Contract
from lethe.evaluator.contract.prepared_competition import ArtifactRef


class ModelRecord(Contract):
    """One finished model of a bank. It is written last and once: without its record, a model does not exist."""

    index: int = Field(ge=0)
    seed: int = Field(ge=0, lt=2**63)
    checkpoint: ArtifactRef
    outputs: ArtifactRef
    wall_s: float = Field(ge=0, description="Seconds of training; outputs and storage not counted")
    processor: str = Field(description="What computed the outputs: on the same one they can be had again bit for bit")
    imported: bool = Field(default=False, description="Trained elsewhere; the seed is what the host says")


def identity_key(bank_digest: str) -> str:
    """The key of the bank's BankIdentity as JSON."""
    return f"banks/{bank_digest}/identity.json"


def read_identity(store: ArtifactStore, bank_digest: str) -> BankIdentity:
    """The identity of the bank; raises ArtifactMissing when nobody has begun it."""
    return BankIdentity.model_validate_json(store.get(identity_key(bank_digest)))


def pruned_key(bank_digest: str) -> str:
    """The key of the mark that checkpoints were deleted on purpose."""
    return f"banks/{bank_digest}/pruned"


def record_key(bank_digest: str, index: int) -> str:
    """The key of a model's record."""
    return f"banks/{bank_digest}/records/{index:05d}.json"


def read_record(store: ArtifactStore, bank_digest: str, index: int) -> ModelRecord:
    """The record of one model; raises ArtifactMissing when it is not trained yet."""
    return ModelRecord.model_validate_json(store.get(record_key(bank_digest, index)))


def trained_indices(store: ArtifactStore, bank_digest: str) -> list[int]:
    """The indices of the bank's models, ascending; empty for a bank that nobody has begun."""
    keys = store.list(f"banks/{bank_digest}/records")
    return sorted(int(key.rsplit("/", 1)[1].removesuffix(".json")) for key in keys)


def count_imported(store: ArtifactStore, bank_digest: str, indices: Iterable[int]) -> int:
    """How many of these models were trained elsewhere and imported; raises ArtifactMissing when one is not there."""
    return sum(read_record(store, bank_digest, index).imported for index in indices)


def load_pool(store: ArtifactStore, bank_digest: str, indices: Iterable[int]) -> StackedOutputs:
    """The outputs of these oracles, stacked in the given order: logits (N, examples, classes), accuracies (N,).

    Every artifact's digest is checked. Raises ArtifactMissing when an oracle is not trained yet, ArtifactCorrupt when
    its bytes changed, and OutputsInvalid when `indices` is empty.
    """
    return stack_outputs(list(iterate_pool(store, bank_digest, indices)))


def iterate_pool(store: ArtifactStore, bank_digest: str, indices: Iterable[int]) -> Iterator[Outputs]:
    """Yield the outputs of these oracles one by one, in the given order; raises as `load_pool` does."""
    wanted = list(indices)
    present = set(trained_indices(store, bank_digest))
    absent = [index for index in wanted if index not in present]
    if absent:
        raise ArtifactMissing(f"bank {bank_digest[:12]} lacks {len(absent)} of {len(wanted)} oracles, e.g. {absent[0]}")
    for index in wanted:
        yield read_outputs(store.get(read_record(store, bank_digest, index).outputs))
