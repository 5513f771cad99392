"""SQL that only hosts and operators need: accounts, finals, archives, artifact references, pruning and restoring."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, CompoundSelect, Row, Select, delete, func, select, text, union, update
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from lethe.evaluator.contract.prepared_competition import ArtifactRef
from lethe.evaluator.contract.states import (
    TERMINAL_STATES,
    Evaluation,
    Stage,
    SubmissionState,
)
from lethe.server.leaderboard.score_queries import counts, is_current
from lethe.server.models import (
    AuditEvent,
    Competition,
    CompetitionHost,
    FormerScore,
    OutputPack,
    OverviewPlot,
    Score,
    Submission,
    Team,
    TeamMember,
    User,
    WorkItem,
)
from lethe.server.submissions.short_ids import PATTERN, id_range

_ROWS_AT_ONCE = 1000

# Accounts


def users(session: Session) -> Sequence[User]:
    """Return every account by name."""
    return session.scalars(select(User).order_by(User.username_key)).all()


def hosted_slugs(session: Session) -> dict[UUID, list[str]]:
    """Return the competitions that each account hosts, in alphabetical order."""
    rows = session.execute(
        select(CompetitionHost.user_id, Competition.slug)
        .join(Competition, Competition.id == CompetitionHost.competition_id)
        .order_by(Competition.slug)
    )
    hosted: dict[UUID, list[str]] = {}
    for row in rows:
        hosted.setdefault(row.user_id, []).append(row.slug)
    return hosted


def lock_user(session: Session, username: str) -> User | None:
    """Return the account of that name, whatever its case, locked until the commit, or None."""
    return session.scalar(select(User).where(User.username_key == username.casefold()).with_for_update())


# Teams and submissions


def find_team(session: Session, competition: Competition, key: str) -> Team | None:
    """Return the competition's team whose name has this key, or None."""
    return session.scalar(select(Team).where(Team.competition_id == competition.id, Team.name_key == key))


def lock_member(session: Session, team_id: UUID, username: str) -> User | None:
    """Return the member of a team with this name, whatever its case, locked with the team until the commit, or None."""
    found = session.scalar(
        select(User)
        .join(TeamMember, TeamMember.user_id == User.id)
        .where(TeamMember.team_id == team_id, User.username_key == username.casefold())
        .with_for_update(of=User)
    )
    session.execute(select(Team.id).where(Team.id == team_id).with_for_update())
    return found


def with_other_evaluation(session: Session, submission: Submission) -> Sequence[Submission]:
    """Return the submission, and its final evaluation or the public one that it was made of."""
    return session.scalars(
        select(Submission).where(
            (Submission.id == submission.id)
            | (Submission.origin_id == submission.id)
            | (Submission.id == submission.origin_id)
        )
    ).all()


def has_submissions(session: Session, competition: Competition) -> bool:
    """Return whether anything was uploaded to the competition, whatever became of it."""
    found = select(Submission.id).where(Submission.competition_id == competition.id).limit(1)
    return session.scalar(found) is not None


def measure_again(session: Session, competition: Competition) -> None:
    """Forget the measures of all scores, so that they are computed again, the board's columns first."""
    session.execute(
        update(Score).where(Score.competition_id == competition.id).values(measures=None, shown_measures={})
    )


def delete_reference_scores(session: Session, competition: Competition, evaluation: Evaluation) -> None:
    """Delete the scores of the board's ceiling and floor."""
    session.execute(
        delete(Score).where(
            Score.competition_id == competition.id,
            Score.evaluation == evaluation,
            Score.reference.is_not(None),
        )
    )


# Finals


def final_candidates(session: Session, competition: Competition, *, selections: int) -> Sequence[Row[*tuple[Any, ...]]]:
    """Return id, team_id and is_automatic of the submissions for the final evaluation.

    Of each team at most `selections`: what it selected, the best public scores first, or else automatically its best
    current scores. None of a disqualified team.
    """
    is_selected = Submission.selected_at.is_not(None)
    ranked = (
        select(
            Submission.id,
            Submission.team_id,
            is_selected.label("is_selected"),
            func.max(Submission.selected_at).over(partition_by=Submission.team_id).label("any_selected"),
            func.row_number()
            .over(
                partition_by=Submission.team_id,
                order_by=(is_selected.desc(), Score.final_score.desc(), Submission.created_at),
            )
            .label("place"),
        )
        .join(Score, is_current())
        .join(Team, Team.id == Submission.team_id)
        .where(
            Submission.competition_id == competition.id,
            Submission.evaluation == Evaluation.PUBLIC,
            Submission.state == SubmissionState.SCORED,
            counts(),
        )
        .subquery()
    )
    is_automatic = ranked.c.any_selected.is_(None)
    return session.execute(
        select(ranked.c.id, ranked.c.team_id, is_automatic.label("is_automatic"))
        .where(ranked.c.place <= selections, ranked.c.is_selected | is_automatic)
        .order_by(ranked.c.team_id, ranked.c.place)
    ).all()


def best_submissions(session: Session, submission_ids: Sequence[UUID], *, limit: int) -> Sequence[Submission]:
    """Return those of the submissions with the best current scores, locked in the order of their ids."""
    best = (
        select(Submission.id)
        .join(Score, is_current())
        .where(Submission.id.in_(submission_ids))
        .order_by(Score.final_score.desc(), Submission.created_at)
        .limit(limit)
    )
    ids = session.scalars(best).all()
    return session.scalars(
        select(Submission).where(Submission.id.in_(ids)).order_by(Submission.id).with_for_update()
    ).all()


def with_teams(session: Session, submission_ids: Iterable[UUID]) -> Sequence[Row[Submission, str]]:
    """Return the submissions, each with the name of its team."""
    return session.execute(
        select(Submission, Team.name)
        .join(Team, Team.id == Submission.team_id)
        .where(Submission.id.in_(list(submission_ids)))
    ).all()


def score_of_generation(session: Session, submission_id: UUID, generation: int) -> Score | None:
    """Return the score of a generation of a submission, or None."""
    return session.scalar(select(Score).where(Score.submission_id == submission_id, Score.generation == generation))


def last_event(session: Session, competition: Competition, action: str) -> AuditEvent | None:
    """Return the newest event of this kind in the competition's audit log, or None."""
    return session.scalar(
        select(AuditEvent)
        .where(AuditEvent.competition_id == competition.id, AuditEvent.action == action)
        .order_by(AuditEvent.created_at.desc())
        .limit(1)
    )


def run_records(session: Session, submission_ids: Sequence[UUID]) -> Iterator[dict[str, Any]]:
    """Yield the records of the finished runs of the submissions' current generations."""
    stored = session.scalars(
        select(WorkItem.finished)
        .join(Submission, (Submission.id == WorkItem.submission_id) & (Submission.generation == WorkItem.generation))
        .where(WorkItem.submission_id.in_(submission_ids), WorkItem.stage == Stage.RUN)
    )
    for finished in stored:
        yield from finished.values()


def count_by_state(session: Session, competition: Competition, evaluation: Evaluation) -> dict[SubmissionState, int]:
    """Return how many evaluations of this kind are in each state that any of them is in."""
    rows = session.execute(
        select(Submission.state, func.count().label("number"))
        .where(Submission.competition_id == competition.id, Submission.evaluation == evaluation)
        .group_by(Submission.state)
    )
    return {SubmissionState(row.state): row.number for row in rows}


# Archives


def former_scores(session: Session, competition: Competition) -> Sequence[FormerScore]:
    """Return the scores that rescores have replaced, in the order of their replacement."""
    return session.scalars(
        select(FormerScore)
        .join(Score, Score.id == FormerScore.score_id)
        .where(Score.competition_id == competition.id)
        .order_by(FormerScore.created_at)
    ).all()


def submissions_with_scores(session: Session, competition: Competition) -> Sequence[Row[Submission, str, Score | None]]:
    """Return every submission with its team's name and its current score or None, oldest first."""
    return session.execute(
        select(Submission, Team.name, Score)
        .join(Team, Team.id == Submission.team_id)
        .outerjoin(Score, is_current())
        .where(Submission.competition_id == competition.id)
        .order_by(Submission.created_at, Submission.id)
    ).all()


def count_scored(session: Session, competition: Competition) -> dict[str, int]:
    """Return how many submissions of the competition have a score, by evaluation."""
    found = session.execute(
        select(Submission.evaluation, func.count().label("scored"))
        .join(Score, is_current())
        .where(Submission.competition_id == competition.id)
        .group_by(Submission.evaluation)
    )
    return {row.evaluation: row.scored for row in found}


def teams_with_members(session: Session, competition: Competition) -> list[tuple[Team, list[str]]]:
    """Return every team of the competition with the user names of its members, both by name."""
    found = session.execute(
        select(Team, User.username)
        .outerjoin(TeamMember, TeamMember.team_id == Team.id)
        .outerjoin(User, User.id == TeamMember.user_id)
        .where(Team.competition_id == competition.id)
        .order_by(Team.name_key, User.username_key)
    )
    members: dict[Team, list[str]] = {}
    for team, name in found:
        members.setdefault(team, []).extend([name] if name else [])
    return list(members.items())


# Artifacts


def prepared_competitions(session: Session, but: UUID | None = None) -> Sequence[dict[str, Any]]:
    """Return the stored data and models of every competition `but` one, and but those whose photographs are deleted."""
    stored = Competition.photographs_deleted_at.is_(None)
    return session.scalars(select(Competition.prepared).where(stored, *_others(Competition.id, but))).all()


def kept_sources_and_plots(session: Session, competition: Competition) -> tuple[set[str], list[Any]]:
    """Return the keys of the sources of all submissions, and the documents that name their plots."""
    own = Submission.competition_id == competition.id
    plots = select(Score.plots).where(Score.plots.is_not(None), Score.competition_id == competition.id)
    return set(session.scalars(select(Submission.source_key).where(own))), list(session.scalars(plots))


def direct_references(session: Session, but: UUID | None = None) -> Iterator[ArtifactRef]:
    """Yield the artifacts that columns of their own name: sources and packs of outputs."""
    sources = select(Submission.source_key, Submission.source_sha256)
    packs = select(OutputPack.key, OutputPack.sha256).join(Submission, Submission.id == OutputPack.submission_id)
    for statement in (sources, packs):
        for key, sha256 in session.execute(statement.where(*_others(Submission.competition_id, but))).yield_per(
            _ROWS_AT_ONCE
        ):
            yield ArtifactRef(key=key, sha256=sha256)


def documents_with_references(session: Session, but: UUID | None = None) -> Iterator[Any]:
    """Yield the stored JSON documents that name artifacts, besides those of `prepared_competitions`."""
    plots = select(Score.plots).where(Score.plots.is_not(None), *_others(Score.competition_id, but))
    yield from session.scalars(plots).yield_per(_ROWS_AT_ONCE)
    yield from session.scalars(select(OverviewPlot.plot).where(*_others(OverviewPlot.competition_id, but)))
    further = select(OutputPack.further).join(Submission, Submission.id == OutputPack.submission_id)
    has_further = further.where(OutputPack.further.is_not(None), *_others(Submission.competition_id, but))
    yield from session.scalars(has_further).yield_per(_ROWS_AT_ONCE)
    finished = select(WorkItem.finished).where(*_others(WorkItem.competition_id, but))
    yield from session.scalars(finished).yield_per(_ROWS_AT_ONCE)


def _others(competition_id: InstrumentedAttribute[UUID], but: UUID | None) -> tuple[ColumnElement[bool], ...]:
    """The condition that a row belongs to another competition; none without one."""
    return () if but is None else (competition_id != but,)


def team_names(session: Session, competition: Competition) -> dict[UUID, str]:
    """Return the names of all teams of the competition by id."""
    rows = session.execute(select(Team.id, Team.name).where(Team.competition_id == competition.id))
    return {row.id: row.name for row in rows}


def superseded_packs(session: Session, cutoff: datetime) -> Sequence[OutputPack]:
    """Return packs of generations whose score a newer one replaced before the cutoff."""
    return session.scalars(
        select(OutputPack)
        .join(Submission, Submission.id == OutputPack.submission_id)
        .where(
            OutputPack.generation < Submission.generation,
            Submission.state == SubmissionState.SCORED,
            Submission.finished_at < cutoff,
        )
    ).all()


def ended_run_items(session: Session, cutoff: datetime) -> Sequence[WorkItem]:
    """Return run items of submissions that ended before the cutoff."""
    return session.scalars(
        select(WorkItem)
        .join(Submission, Submission.id == WorkItem.submission_id)
        .where(
            WorkItem.stage == Stage.RUN,
            Submission.state.in_(TERMINAL_STATES),
            Submission.stopped_after.is_(None),  # which may still be completed
            Submission.finished_at < cutoff,
        )
    ).all()


# Backups


def schema_revision(session: Session) -> str:
    """Return the revision of the schema that the database has."""
    return str(session.scalar(text("SELECT version_num FROM alembic_version")))


FILES_SEARCHED = 1_000


@dataclass(frozen=True)
class SubmissionScore:
    """A submission with its team's name and its current score, unrounded; None without one.

    `alike` counts the team's other submissions that differ from it in names and values only.
    """

    submission: Submission
    team: str
    final_score: float | None
    alike: int


def all_submissions(session: Session, competition_id: UUID) -> Iterator[SubmissionScore]:
    """Return every submission of the competition, newest first."""
    return _rows(session, _submissions(competition_id))


def find_submissions(
    session: Session, competition_id: UUID, *, state: str = "", search: str = "", limit: int
) -> Iterator[SubmissionScore]:
    """Return the `limit` newest submissions, narrowed to a state and to names of teams and files that hold `search`.

    A search reads the names of all teams, but file names of the FILES_SEARCHED newest submissions only: reading all
    would get slower with every upload.
    """
    statement = _submissions(competition_id).limit(limit)
    if search:
        statement = statement.where(Submission.id.in_(_matches(competition_id, state, search.casefold(), limit)))
    elif state:
        statement = statement.where(Submission.state == state)
    return _rows(session, statement)


def ids_between(session: Session, first: UUID, last: UUID) -> Sequence[UUID]:
    """Return the ids of submissions from `first` to `last`, at most two."""
    return session.scalars(select(Submission.id).where(Submission.id.between(first, last)).limit(2)).all()


def _submissions(competition_id: UUID) -> Select[Submission, str, float, int]:
    other = aliased(Submission)
    alike = select(func.count()).where(
        other.team_id == Submission.team_id,
        other.shape_sha256 == Submission.shape_sha256,
        other.evaluation == Submission.evaluation,
        other.id != Submission.id,
    )
    return (
        select(Submission, Team.name, Score.final_score, alike.scalar_subquery())
        .join(Team, Team.id == Submission.team_id)
        .outerjoin(Score, is_current())
        .where(Submission.competition_id == competition_id)
        .order_by(Submission.created_at.desc(), Submission.id)
    )


def _rows(session: Session, statement: Select[Submission, str, float, int]) -> Iterator[SubmissionScore]:
    return (SubmissionScore(*row) for row in session.execute(statement))


def _matches(competition_id: UUID, state: str, key: str, limit: int) -> CompoundSelect[UUID]:
    """Ids of the newest submissions of teams whose names contain `key`, of the newest files whose names do, and those
    that begin with it.
    """
    of_state = (Submission.state == state,) if state else ()
    newest = (
        select(Submission.id, Submission.filename)
        .where(Submission.competition_id == competition_id, *of_state)
        .order_by(Submission.created_at.desc())
    )
    teams = select(Team.id).where(Team.competition_id == competition_id, Team.name_key.contains(key, autoescape=True))
    of_teams = newest.where(Submission.team_id.in_(teams)).limit(limit).subquery()
    files = newest.limit(FILES_SEARCHED).subquery()
    in_files = func.lower(files.c.filename).contains(key, autoescape=True)
    found = [select(of_teams.c.id), select(files.c.id).where(in_files)]
    bounds = id_range(key) if re.fullmatch(PATTERN, key) else None
    if bounds is not None:
        named = select(Submission.id).where(Submission.competition_id == competition_id, *of_state)
        found.append(named.where(Submission.id.between(*bounds)))
    return union(*found)
