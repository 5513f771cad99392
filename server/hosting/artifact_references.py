"""What the database refers to in the artifact store: the one list that pruning spares and backups hold."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from evaluator.artifacts import ArtifactStore
from evaluator.artifacts.oracles import read_record, record_key, trained_indices
from evaluator.artifacts.store import sha256_hex
from evaluator.contract.prepared_competition import ArtifactRef, PreparedCompetition
from server.models import Competition, OutputPack, OverviewPlot, Score, Submission, WorkItem

_ROWS_AT_ONCE = 1000


def references(session: Session) -> Iterator[ArtifactRef]:
    """Every artifact that a row names, with repetitions: data and models, sources, outputs of runs, packs, plots."""
    for prepared in session.scalars(select(Competition.prepared)):
        yield from refs_in(prepared)
    pairs = (
        (Submission.source_key, Submission.source_sha256),
        (OutputPack.key, OutputPack.sha256),
    )
    for key_column, digest_column in pairs:
        for key, digest in session.execute(select(key_column, digest_column)).yield_per(_ROWS_AT_ONCE):
            yield ArtifactRef(key=key, sha256=digest)
    for plots in session.scalars(select(Score.plots).where(Score.plots.is_not(None))).yield_per(_ROWS_AT_ONCE):
        yield from refs_in(plots)
    for plot in session.scalars(select(OverviewPlot.plot)):
        yield from refs_in(plot)
    for finished in session.scalars(select(WorkItem.finished)).yield_per(_ROWS_AT_ONCE):
        yield from refs_in(finished)


def bank_references(session: Session, artifacts: ArtifactStore) -> Iterator[ArtifactRef]:
    """What the oracle banks of all competitions consist of: the records that are stored and what they name."""
    competitions = [
        PreparedCompetition.model_validate(stored) for stored in session.scalars(select(Competition.prepared))
    ]
    for bank in sorted({split.bank_digest for prepared in competitions for split in prepared.splits.values()}):
        for index in trained_indices(artifacts, bank):
            key = record_key(bank, index)
            yield ArtifactRef(key=key, sha256=sha256_hex(artifacts.get(key)))
            record = read_record(artifacts, bank, index)
            yield record.checkpoint
            yield record.outputs


def refs_in(value: Any) -> Iterator[ArtifactRef]:
    """The references anywhere in a JSON document: objects that consist of a key and a digest."""
    if isinstance(value, dict):
        if value.keys() == ArtifactRef.model_fields.keys():
            yield ArtifactRef.model_validate(value)
        else:
            for part in value.values():
                yield from refs_in(part)
    elif isinstance(value, list):
        for part in value:
            yield from refs_in(part)
