"""Deletes everything that was made of people's photographs after the end; scores, receipts, boards and sources stay.

That is the photographs, the data sets and copies made of them, contact sheet and practice bundle, every model that was
trained on them, and all outputs: a file that saw hidden photographs may have written them into its logits. What files
printed and said of their errors goes for the same reason. Plots stay, which are drawn from scores and margins.
"""

from sqlalchemy.orm import Session

from lethe.server.audit_log.events import record
from lethe.server.competitions.phases import Phase, is_benchmark, phase
from lethe.server.competitions.service import get_competition, lock_competition
from lethe.server.context import Context
from lethe.server.hosting import deletion_queries, queries
from lethe.server.hosting.actions import PhaseConflict
from lethe.server.hosting.artifact_references import refs_in
from lethe.server.hosting.deletion import Deleted, delete_artifacts, own_artifacts, own_banks
from lethe.server.hosting.finals import require_none_waiting
from lethe.server.models import Competition
from lethe.server.models.times import utc_now
from lethe.server.scoring.measuring import NOTHING

ENDED = {Phase.CLOSED, Phase.FINAL, Phase.REVEALED}


def delete_photographs(context: Context, slug: str, *, actor: str | None = None) -> Deleted:
    """Delete what was made of the photographs of the competition called `slug`, which has ended.

    From its beginning on nothing is computed from them any more, so the same command continues after a crash. What
    another competition needs too, stays. Raises CompetitionNotFound, PhaseConflict, EvaluationsUnfinished, and
    ArtifactStoreAway when the store does not answer.
    """
    with context.database.write() as session:
        competition = lock_competition(session, slug)
        require_ended(session, competition)
        competition.photographs_deleted_at = competition.photographs_deleted_at or utc_now()
    with context.database.read() as session:
        competition = get_competition(session, slug, drafts=True)
        banks = own_banks(session, context.artifacts, competition)
        sources, plots = queries.kept_sources_and_plots(session, competition)
        doomed = own_artifacts(session, context.artifacts, competition, banks)
        kept = sources | {ref.key for document in plots for ref in refs_in(document)}
        doomed = {key: size for key, size in doomed.items() if key not in kept}
    delete_artifacts(context.artifacts, doomed, banks)
    with context.database.write() as session:
        competition = lock_competition(session, slug)
        deletion_queries.delete_outputs(session, competition, banks, nothing=NOTHING)
        count = len(deletion_queries.submission_ids(session, competition))
        record(
            session,
            "competition.delete_photographs",
            slug,
            actor=actor,
            competition=competition,
            artifacts=len(doomed),
        )
    return Deleted(submissions=count, artifacts=len(doomed), size_bytes=sum(doomed.values()))


def require_ended(session: Session, competition: Competition) -> None:
    """Raise PhaseConflict unless uploads have ended, and EvaluationsUnfinished while submissions are evaluated."""
    current, slug = phase(competition), competition.slug
    if current not in ENDED:
        raise PhaseConflict(f"{slug} is {current.value}: its photographs can be deleted once it is closed or revealed.")
    if is_benchmark(competition):
        raise PhaseConflict(f"{slug} is a benchmark. End that first: lethe admin competition benchmark {slug} --end")
    require_none_waiting(len(deletion_queries.live_submissions(session, competition)))
