"""Deletes a competition and everything that was made for it, photographs and models first of all.

What remains is the audit log, and what other competitions need too: a bank or data of equal bytes.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy.orm import Session

from lethe.evaluator.artifacts import ArtifactStore
from lethe.evaluator.artifacts.oracles import identity_key
from lethe.evaluator.contract.states import Owner
from lethe.server.audit_log.events import record
from lethe.server.competitions.service import get_competition, lock_competition
from lethe.server.context import Context
from lethe.server.hosting import deletion_queries, queries
from lethe.server.hosting.artifact_references import banks_of, references, refs_in
from lethe.server.lifecycle import submissions
from lethe.server.models import Competition


@dataclass(frozen=True)
class Deleted:
    """What was deleted. An artifact is a file in the store."""

    submissions: int
    artifacts: int
    size_bytes: int


def delete(context: Context, slug: str, *, actor: str | None = None) -> Deleted:
    """Delete the competition called `slug`: rows, data, models, outputs, sources, plots, teams and scores.

    It becomes a draft first, its live submissions are cancelled, and its rows go last, so the same command continues
    after a crash. What a worker stores afterwards for a run that it had begun is removed by pruning. Raises
    CompetitionNotFound, and ArtifactStoreAway when the store does not answer.
    """
    with context.database.write() as session:
        competition = lock_competition(session, slug)
        competition.opened_at = None
        for one in deletion_queries.live_submissions(session, competition):
            submissions.cancel(session, one, Owner.HOST)
    with context.database.read() as session:
        competition = get_competition(session, slug, drafts=True)
        banks = own_banks(session, context.artifacts, competition)
        doomed = own_artifacts(session, context.artifacts, competition, banks)
    delete_artifacts(context.artifacts, doomed, banks)
    with context.database.write() as session:
        competition = lock_competition(session, slug)
        found = Deleted(
            submissions=len(deletion_queries.submission_ids(session, competition)),
            artifacts=len(doomed),
            size_bytes=sum(doomed.values()),
        )
        deletion_queries.delete_rows(session, competition, banks)
        session.expunge_all()
        record(session, "competition.delete", slug, actor=actor, submissions=found.submissions, artifacts=len(doomed))
    return found


def delete_artifacts(store: ArtifactStore, doomed: Mapping[str, int], banks: set[str]) -> None:
    """Delete what is `doomed`, by key; last the identities of these banks, which tell which banks there are.

    Raises ArtifactStoreAway; the next call goes on.
    """
    identities = {identity_key(bank) for bank in banks} & doomed.keys()
    store.delete(doomed.keys() - identities)
    store.delete(identities)


def own_artifacts(session: Session, store: ArtifactStore, competition: Competition, banks: set[str]) -> dict[str, int]:
    """Return, by key, the bytes of what is stored for this competition and needed by no other.

    That is what its rows name, and everything else in the folders of its data, banks and submissions: of former
    attempts at creating it, and of runs that nothing refers to.
    """
    needed = {ref.key for ref in references(session, but=competition.id)}
    prepared = {ref.key for ref in refs_in(competition.prepared) if store.exists(ref.key)}
    named = ({ref.key for ref in references(session)} | prepared) - needed
    folders = {
        *({key.rpartition("/")[0] for key in named if key.startswith("data/")} - {"data"}),
        *(f"banks/{bank}" for bank in banks),
        *(f"submissions/{one}" for one in deletion_queries.submission_ids(session, competition)),
    }
    found = {one.key: one.size_bytes for folder in folders for one in store.entries(folder) if one.key not in needed}
    bundle = re.compile(rf"practice/{competition.slug}-[0-9a-f]{{16}}\.safetensors")  # former ones, too
    found |= {one.key: one.size_bytes for one in store.entries("practice") if bundle.fullmatch(one.key)}
    sizes = {one.key: one.size_bytes for one in store.entries("data")}
    return found | {key: sizes.get(key, 0) for key in named - found.keys()}  # what is left are small: sources, plots


def own_banks(session: Session, store: ArtifactStore, competition: Competition) -> set[str]:
    """Return the digests of the banks that no other competition has."""
    others = queries.prepared_competitions(session, but=competition.id)
    needed = {bank for prepared in others for bank in banks_of(store, prepared)}
    return set(banks_of(store, competition.prepared)) - needed
