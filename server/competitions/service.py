"""Rules of competitions: what is public, and storing a prepared one."""

import difflib
import secrets
from datetime import datetime
from functools import cache

from sqlalchemy import ColumnElement, Select, bindparam, func, select
from sqlalchemy.orm import Session

from evaluator.contract.prepared_competition import PreparedCompetition
from evaluator.contract.specification import CompetitionSpec
from evaluator.contract.submission import EXTRA_PARAMETERS
from evaluator.metrics import METRIC_VERSION
from server.competitions.disclosure import Viewer, Visibility, visibility
from server.competitions.phases import Phase, ends_at, phase
from server.competitions.schemas import CompetitionFacts, CompetitionRow, PublicCounts, PublicLimits, PublicQuotas
from server.errors import Conflict, NotFound
from server.models import Announcement, Competition, Team


class CompetitionNotFound(NotFound):
    """No competition bears this slug."""

    code = "competition_not_found"
    title = "No such competition"


class CompetitionExists(Conflict):
    """The slug is taken."""

    code = "competition_exists"
    title = "Competition exists"


def get_competition(session: Session, slug: str, *, drafts: bool = False) -> Competition:
    """The competition called `slug`; raises CompetitionNotFound with the nearest names.

    A draft is its host's own affair: it is found only where `drafts` says that a host asks.
    """
    competition = session.scalar(_by_slug(drafts=drafts), {"slug": slug})
    if competition is None:
        shown = select(Competition.slug).where(_is_shown(drafts=drafts)).order_by(Competition.slug)
        slugs = list(session.scalars(shown))
        near = difflib.get_close_matches(slug, slugs, n=3) or slugs[:10]
        known = f"Did you mean {', '.join(near)}?" if near else "There is none on this server yet."
        raise CompetitionNotFound(f"There is no competition called {slug[:80]!r}. {known}")
    return competition


@cache  # making a statement costs as much time as PostgreSQL takes for it
def _by_slug(*, drafts: bool) -> Select[Competition]:
    return select(Competition).where(Competition.slug == bindparam("slug"), _is_shown(drafts=drafts))


def _is_shown(*, drafts: bool) -> ColumnElement[bool]:
    return Competition.id.is_not(None) if drafts else Competition.opened_at.is_not(None)


def specification(competition: Competition) -> CompetitionSpec:
    """The stored specification as the contract's value."""
    return CompetitionSpec.model_validate(competition.specification)


def prepared_competition(competition: Competition) -> PreparedCompetition:
    """The stored prepared as the contract's value."""
    return PreparedCompetition.model_validate(competition.prepared)


def require_unused_slug(session: Session, slug: str) -> None:
    """Raise CompetitionExists when there is a competition called `slug`."""
    if session.scalar(select(Competition.id).where(Competition.slug == slug)) is not None:
        raise CompetitionExists(f"A competition called {slug!r} exists. Choose another slug in the specification.")


def create(session: Session, spec: CompetitionSpec, prepared: PreparedCompetition) -> Competition:
    """A new competition in draft; raises CompetitionExists."""
    require_unused_slug(session, spec.slug)
    competition = Competition(
        slug=spec.slug,
        title=spec.title,
        specification=spec.model_dump(mode="json"),
        prepared=prepared.model_dump(mode="json"),
        secret=secrets.token_hex(32),
        public_starts_at=spec.phases.public_start,
        public_ends_at=spec.phases.public_end,
        final_ends_at=spec.phases.final_end,
    )
    session.add(competition)
    session.flush()
    return competition


def list_rows(session: Session) -> list[CompetitionRow]:
    """Every competition that was opened, newest first."""
    competitions = session.scalars(
        select(Competition).where(Competition.opened_at.is_not(None)).order_by(Competition.opened_at.desc())
    )
    return [row(session, competition) for competition in competitions]


def row(session: Session, competition: Competition) -> CompetitionRow:
    """The public line about `competition`."""
    teams, submissions = session.execute(
        select(func.count(), func.coalesce(func.sum(Team.submissions), 0)).where(Team.competition_id == competition.id)
    ).one()
    return CompetitionRow(
        slug=competition.slug,
        title=competition.title,
        summary=specification(competition).summary,
        phase=phase(competition),
        teams=teams,
        submissions=submissions,
    )


def summary(session: Session, competition: Competition) -> str:
    """The competition's summary, for who has loaded the row without its documents."""
    found = session.scalar(
        select(Competition.specification["summary"].as_string()).where(Competition.id == competition.id)
    )
    return found or ""


def facts(session: Session, competition: Competition) -> CompetitionFacts:
    """Everything public about `competition`."""
    spec, prepared = specification(competition), prepared_competition(competition)
    return CompetitionFacts(
        **row(session, competition).model_dump(),
        description=spec.description,
        opened_at=competition.opened_at,
        closed_at=_closed_at(competition),
        public_starts_at=competition.public_starts_at,
        public_ends_at=competition.public_ends_at,
        final_ends_at=competition.final_ends_at,
        revealed_at=competition.revealed_at,
        final_selections=spec.evaluation.final_selections,
        metric=_metric(spec, visibility(Viewer.STRANGER, phase(competition))),
        architecture=spec.model.architecture,
        image_size=spec.data.image_size,
        batch_size=spec.evaluation.batch_size,
        runs=spec.evaluation.runs,
        limits=PublicLimits.model_validate(spec.limits.model_dump() | spec.dependencies.model_dump()),
        quotas=PublicQuotas.model_validate(spec.quotas.model_dump()),
        counts=PublicCounts(**{name: getattr(prepared.public.counts, name) for name in PublicCounts.model_fields}),
        environment=prepared.environment,
        extra_parameters=list(EXTRA_PARAMETERS),
    )


def _closed_at(competition: Competition) -> datetime | None:
    end = ends_at(competition)
    return end if phase(competition) in {Phase.CLOSED, Phase.FINAL, Phase.REVEALED} else None


def _metric(spec: CompetitionSpec, visible: Visibility) -> dict[str, str | int | bool] | None:
    if not visible.metric:
        return None
    return {**spec.metric.model_dump(), "version": METRIC_VERSION, "oracles": spec.evaluation.oracles}


def announcements(session: Session, competition: Competition) -> list[Announcement]:
    """What was announced, newest first."""
    return list(
        session.scalars(
            select(Announcement)
            .where(Announcement.competition_id == competition.id)
            .order_by(Announcement.created_at.desc(), Announcement.id)
        )
    )


def lock_competition(session: Session, slug: str) -> Competition:
    """The competition, drafts included, locked until the commit; raises CompetitionNotFound."""
    found = get_competition(session, slug, drafts=True)
    return session.get_one(Competition, found.id, with_for_update=True, populate_existing=True)
