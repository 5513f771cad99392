"""The artifacts that the database refers to: pruning spares them, and backups contain them."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from lethe.evaluator.artifacts import ArtifactStore
from lethe.evaluator.artifacts.oracles import (
    identity_key,
    pruned_key,
    read_identity,
    read_record,
    record_key,
    trained_indices,
)
from lethe.evaluator.artifacts.store import sha256_hex
from lethe.evaluator.contract.bank import practice_bank
from lethe.evaluator.contract.prepared_competition import ArtifactRef, PreparedCompetition
from lethe.server.hosting import queries


def references(session: Session, but: UUID | None = None) -> Iterator[ArtifactRef]:
    """Yield every artifact that a row names, with repetitions: data, models, sources, outputs of runs, packs, plots.

    `but` leaves out the rows of one competition.
    """
    for prepared in queries.prepared_competitions(session, but):
        yield from refs_in(prepared)
    yield from queries.direct_references(session, but)
    for document in queries.documents_with_references(session, but):
        yield from refs_in(document)


def bank_references(session: Session, artifacts: ArtifactStore) -> Iterator[ArtifactRef]:
    """Yield the artifacts of all competitions' oracle banks: identity, stored records, what those name, and audits."""
    competitions = [PreparedCompetition.model_validate(stored) for stored in queries.prepared_competitions(session)]
    tasks = [task for prepared in competitions for task in prepared.tasks]
    banks = {split.bank_digest for task in tasks for split in task.splits.values()}
    banks |= {digest for prepared in competitions for digest in practice_banks(artifacts, prepared)}
    for bank in sorted(banks):
        marks = [key for key in (identity_key(bank), pruned_key(bank)) if artifacts.exists(key)]
        for key in (*marks, *artifacts.list(f"banks/{bank}/audits")):
            yield ArtifactRef(key=key, sha256=sha256_hex(artifacts.get(key)))
        for index in trained_indices(artifacts, bank):
            key = record_key(bank, index)
            yield ArtifactRef(key=key, sha256=sha256_hex(artifacts.get(key)))
            record = read_record(artifacts, bank, index)
            yield record.checkpoint
            yield record.outputs


def practice_banks(artifacts: ArtifactStore, prepared: PreparedCompetition) -> Iterator[str]:
    """Yield the digest of the bank of practice oracles, if the public one has been begun."""
    public = prepared.public.bank_digest
    if artifacts.exists(identity_key(public)):
        yield practice_bank(read_identity(artifacts, public), prepared.practice).digest


def banks_of(store: ArtifactStore, prepared: dict[str, Any]) -> Iterator[str]:
    """Yield the digests of all banks of a prepared competition: its oracles', and those of other models it names."""
    for ref in refs_in(prepared):
        folder, _, rest = ref.key.partition("/")
        if folder == "banks":
            yield rest.partition("/")[0]
    found = PreparedCompetition.model_validate(prepared)
    yield from (split.bank_digest for task in found.tasks for split in task.splits.values())
    yield from practice_banks(store, found)


def refs_in(value: Any) -> Iterator[ArtifactRef]:
    """Yield the references anywhere in a JSON document: objects that consist of a key and a digest."""
    if isinstance(value, dict):
        if value.keys() == ArtifactRef.model_fields.keys():
            yield ArtifactRef.model_validate(value)
        else:
            for part in value.values():
                yield from refs_in(part)
    elif isinstance(value, list):
        for part in value:
            yield from refs_in(part)
