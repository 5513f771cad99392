"""Rules of competitions: what is public, and storing a prepared one."""

import difflib
import secrets
from datetime import datetime

from sqlalchemy.orm import Session

from lethe.evaluator.artifacts.store import sha256_hex
from lethe.evaluator.contract.phrases import time_text
from lethe.evaluator.contract.prepared_competition import Counts, PracticeFile, PreparedCompetition
from lethe.evaluator.contract.specification import BoardSpec, CompetitionSpec, TermsSpec
from lethe.evaluator.contract.submission import EXTRA_PARAMETERS
from lethe.evaluator.metrics import METRIC_VERSION
from lethe.server.competitions import disclosure, queries
from lethe.server.competitions.disclosure import Viewer, Visibility, visibility
from lethe.server.competitions.phases import Phase, ends_at, is_benchmark, phase, phase_of
from lethe.server.competitions.schemas import (
    CompetitionFacts,
    CompetitionRow,
    NetworkView,
    PracticeView,
    PublicCounts,
    PublicLimits,
    PublicQuotas,
    TaskView,
    TermsView,
)
from lethe.server.errors import Conflict, NotFound, RequestError
from lethe.server.models import Competition, User


class CompetitionNotFound(NotFound):
    """No competition has this slug."""

    code = "competition_not_found"
    title = "No such competition"


class PhotographsDeleted(RequestError):
    """Nothing can be run or computed anew: all that was made of the competition's photographs is deleted."""

    status = 410
    code = "photographs_deleted"
    title = "Photographs are deleted"


class CompetitionExists(Conflict):
    """The slug is taken."""

    code = "competition_exists"
    title = "Competition exists"


def get_competition(session: Session, slug: str, *, drafts: bool = False) -> Competition:
    """Return the competition called `slug`; raises CompetitionNotFound with the nearest names.

    Drafts are found only if `drafts`, for commands on the server: over HTTP `get_hosted` finds them for their hosts.
    """
    competition = queries.find_competition(session, slug, drafts=drafts)
    if competition is None:
        slugs = queries.slugs(session, drafts=drafts)
        near = difflib.get_close_matches(slug, slugs, n=3) or slugs[:10]
        hint = f"Did you mean {', '.join(near)}?" if near else "There is none on this server yet."
        raise CompetitionNotFound(f"There is no competition called {slug[:80]!r}. {hint}")
    return competition


def get_hosted(session: Session, slug: str, user: User) -> Competition:
    """Return the competition called `slug`, draft or not, if `user` hosts it.

    Everybody else gets the answer of `get_competition`, so a draft and a name that nobody uses look the same; and
    NotFound for a competition that is published.
    """
    competition = queries.find_hosted(session, slug, user)
    if competition is None:
        get_competition(session, slug)
        raise NotFound("There is nothing here for this account.")
    return competition


def specification(competition: Competition) -> CompetitionSpec:
    """Return the stored specification as the contract's value; one from before practice oracles has none."""
    stored = competition.specification
    practice = {"oracles": 0} | stored.get("practice", {})
    return CompetitionSpec.model_validate({**stored, "practice": practice})


def prepared_competition(competition: Competition) -> PreparedCompetition:
    """Return the stored data and models as the contract's value; raises PhotographsDeleted if they are not any more."""
    require_photographs(competition)
    return prepared_once(competition)


def prepared_once(competition: Competition) -> PreparedCompetition:
    """Return what was prepared at creation, for its counts, figures and versions: the artifacts may be deleted."""
    return PreparedCompetition.model_validate(competition.prepared)


def require_photographs(competition: Competition) -> None:
    """Raise PhotographsDeleted if the photographs and all that was made of them are deleted."""
    if competition.photographs_deleted_at is not None:
        raise PhotographsDeleted(
            f"The host deleted the photographs of {competition.slug} and all that was made of them on "
            f"{time_text(competition.photographs_deleted_at)}: scores, receipts and boards stay, but nothing can be "
            "run or computed anew."
        )


def visibility_of(competition: Competition, viewer: Viewer, evaluation: str) -> Visibility:
    """Return what `viewer` may see of a submission of `evaluation` now, outputs included."""
    outputs = specification(competition).outputs_after_reveal
    return visibility(viewer, phase_of(competition, evaluation), outputs_after_reveal=outputs)


def clock_step_s(session: Session, spec: CompetitionSpec) -> float:
    """Return the step of the clock at which what workers did for a competition shows, in seconds; 0: at once.

    Competitions share workers, so what happens in one tells when a run of another one ended: the longest step counts.
    """
    return max(float(spec.leaks.step_s), queries.longest_step.rows(session).scalar() or 0.0)


def require_unused_slug(session: Session, slug: str) -> None:
    """Raise CompetitionExists when there is a competition called `slug`."""
    if queries.find_competition(session, slug, drafts=True) is not None:
        raise CompetitionExists(f"A competition called {slug!r} exists. Choose another slug in the specification.")


def create(session: Session, spec: CompetitionSpec, prepared: PreparedCompetition) -> Competition:
    """Return a new competition in draft; raises CompetitionExists."""
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


def list_rows(session: Session, *, drafts: bool = False) -> list[CompetitionRow]:
    """Return a row for every competition that was opened, or with `drafts` for every one, newest first."""
    found = queries.all_competitions(session) if drafts else queries.published_competitions(session)
    return [row(session, competition) for competition in found]


def row(session: Session, competition: Competition) -> CompetitionRow:
    """Return what a list of competitions shows of `competition`."""
    counts = queries.team_counts.rows(session, competition_id=competition.id).one()
    return CompetitionRow(
        slug=competition.slug,
        title=competition.title,
        summary=specification(competition).summary,
        phase=phase(competition),
        benchmark=is_benchmark(competition),
        teams=counts.teams,
        submissions=counts.submissions,
        **calendar(competition),
    )


def calendar(competition: Competition) -> dict[str, datetime | None]:
    """Return the dates that a list shows; the competition may be loaded without its documents."""
    return {
        "public_starts_at": competition.public_starts_at,
        "public_ends_at": competition.public_ends_at,
        "closed_at": _closed_at(competition),
        "revealed_at": competition.revealed_at,
    }


def summary(session: Session, competition: Competition) -> str:
    """Return the summary of a competition that was loaded without its documents."""
    return queries.summary.rows(session, competition_id=competition.id).scalar() or ""


def shows_methods(session: Session, competition: Competition) -> bool:
    """Return whether the boards show methods and links now; the competition may be loaded without its documents."""
    when = queries.methods_shown.rows(session, competition_id=competition.id).scalar()
    return disclosure.shows_methods(when or BoardSpec().methods, phase(competition))


def facts(session: Session, competition: Competition) -> CompetitionFacts:
    """Return everything public about `competition`."""
    spec, prepared = specification(competition), prepared_once(competition)
    is_stored = competition.photographs_deleted_at is None
    return CompetitionFacts(
        **row(session, competition).model_dump(),
        description=spec.description,
        opened_at=competition.opened_at,
        final_ends_at=competition.final_ends_at,
        edited_at=competition.edited_at,
        photographs_deleted_at=competition.photographs_deleted_at,
        final_selections=spec.evaluation.final_selections,
        looks=spec.evaluation.looks,
        metric=_metric(spec, visibility(Viewer.STRANGER, phase(competition))),
        architecture=spec.model.network.name,
        network=_network(spec, prepared),
        image_size=spec.data.image_size,
        batch_size=spec.evaluation.batch_size,
        runs=spec.evaluation.runs,
        originals=spec.evaluation.originals,
        tasks=_tasks(spec),
        limits=PublicLimits.model_validate(spec.limits.model_dump() | spec.dependencies.model_dump()),
        quotas=PublicQuotas.model_validate(spec.quotas.model_dump()),
        counts=_public(prepared.public.counts),
        class_names=list(prepared.data.class_names),
        practice_counts=None if prepared.practice.counts is None else _public(prepared.practice.counts),
        practice=_practice(prepared.practice.bundle) if is_stored else None,
        environment=prepared.environment,
        extra_parameters=list(EXTRA_PARAMETERS),
        outputs_after_reveal=spec.outputs_after_reveal,
        terms=terms_view(spec.terms),
        links={name: address for name, address in spec.links.model_dump().items() if address},
        consent=spec.terms.consent,
        retention=spec.terms.retention,
        methods_shown=spec.board.methods,
        benchmark_started_at=competition.benchmark_started_at,
        benchmark_ended_at=competition.benchmark_ended_at,
    )


def terms_view(terms: TermsSpec) -> TermsView | None:
    """Return the text with its version, or None where the competition has none."""
    return TermsView(text=terms.text, sha256=sha256_hex(terms.text.encode())) if terms.text else None


def _network(spec: CompetitionSpec, prepared: PreparedCompetition) -> NetworkView:
    network, counted = spec.model.network, prepared.network
    return NetworkView(
        name=network.name,
        options=dict(network.options),
        source=network.source,
        weights=None if counted is None else counted.weights,
        layers=[] if counted is None else list(counted.layers),
    )


def _tasks(spec: CompetitionSpec) -> list[TaskView]:
    total = sum(task.weight for task in spec.tasks)
    return [
        TaskView(
            name=task.name,
            share=task.weight / total,
            architecture=task.model.network.name,
            image_size=task.data.image_size,
            classes=task.data.classes,
        )
        for task in spec.tasks
    ]


def _public(counts: Counts) -> PublicCounts:
    return PublicCounts(**{name: getattr(counts, name) for name in PublicCounts.model_fields})


def _practice(bundle: PracticeFile | None) -> PracticeView | None:
    if bundle is None:
        return None
    return PracticeView(sha256=bundle.artifact.sha256, size_bytes=bundle.size_bytes, oracles=bundle.oracles)


def _closed_at(competition: Competition) -> datetime | None:
    end = ends_at(competition)
    return end if phase(competition) in {Phase.CLOSED, Phase.FINAL, Phase.REVEALED} else None


def _metric(spec: CompetitionSpec, visible: Visibility) -> dict[str, str | int | bool] | None:
    if not visible.metric:
        return None
    return {**spec.metric.model_dump(), "version": METRIC_VERSION, "oracles": spec.evaluation.oracles}


def lock_competition(session: Session, slug: str) -> Competition:
    """Return the competition, drafts included, locked until the commit; raises CompetitionNotFound."""
    found = get_competition(session, slug, drafts=True)
    return session.get_one(Competition, found.id, with_for_update=True, populate_existing=True)
