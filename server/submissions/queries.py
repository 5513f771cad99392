"""SQL of submissions, their quotas and their idempotency keys."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Date, Delete, Select, bindparam, delete, exists, func, or_, select, text, true
from sqlalchemy.orm import Session

from lethe.evaluator.contract.states import TERMINAL_STATES, Evaluation, SubmissionState
from lethe.server.database.statements import prepared
from lethe.server.leaderboard.score_queries import is_current
from lethe.server.models import (
    Competition,
    CompetitionHost,
    IdempotencyKey,
    Score,
    Standing,
    Submission,
    Team,
    TeamMember,
    UploadAttempt,
    User,
)
from lethe.server.models.times import UtcDateTime

UNSELECTABLE: Final = (SubmissionState.FAILED, SubmissionState.CANCELLED)


@prepared
def _own_submission() -> Select[Submission]:
    return (
        select(Submission)
        .join(TeamMember, TeamMember.team_id == Submission.team_id)
        .where(
            Submission.id == bindparam("submission_id"),
            Submission.evaluation != Evaluation.FINAL,  # it is shown with the public one, in time
            TeamMember.user_id == bindparam("user_id"),
        )
    )


def find_own(session: Session, submission_id: UUID, user: User) -> Submission | None:
    """Return the submission if one of the user's teams sent it, else None; None for a final evaluation."""
    found = _own_submission.entities(session, submission_id=submission_id, user_id=user.id)
    submission: Submission | None = found.scalar_one_or_none()
    return submission


def of_team(team: Team) -> Select[Submission]:
    """What the team has sent, for `fetch_page`."""
    return select(Submission).where(Submission.team_id == team.id, Submission.evaluation != Evaluation.FINAL)


def recent(session: Session, user: User, *, limit: int) -> list[Submission]:
    """Return what all of the user's teams sent last."""
    return list(
        session.scalars(
            select(Submission)
            .join(TeamMember, TeamMember.team_id == Submission.team_id)
            .where(TeamMember.user_id == user.id, Submission.evaluation != Evaluation.FINAL)
            .order_by(Submission.created_at.desc(), Submission.id)
            .limit(limit)
        )
    )


@prepared
def scored_submissions() -> Select[*tuple[Any, ...]]:
    """The public submissions of the team `team_id` with a score that counts, each with the team's rank."""
    standing = (Standing.team_id == Submission.team_id) & (Standing.evaluation == Evaluation.PUBLIC)
    return (
        select(
            Submission.id.label("submission_id"),
            Score.id.label("score_id"),
            Submission.filename,
            Submission.created_at,
            Score.final_score,
            Score.interval_low,
            Score.interval_high,
            Standing.rank,
        )
        .join(Score, is_current())
        .outerjoin(Standing, standing)
        .where(
            Submission.team_id == bindparam("team_id"),
            Submission.evaluation == Evaluation.PUBLIC,
            Submission.state == SubmissionState.SCORED,
            Submission.disqualified_reason.is_(None),
        )
        .order_by(Submission.created_at, Submission.id)
    )


@prepared
def count_completed() -> Select[int]:
    """How many stopped submissions the team `team_id` has had completed since `day_start`."""
    return select(func.count()).where(
        Submission.team_id == bindparam("team_id"),
        Submission.completed_at >= bindparam("day_start", type_=UtcDateTime()),
    )


def selected(session: Session, team_id: UUID) -> Sequence[Submission]:
    """Return what the team has chosen that can still be evaluated at the end, oldest choice first."""
    return session.scalars(
        select(Submission)
        .where(
            Submission.team_id == team_id,
            Submission.evaluation == Evaluation.PUBLIC,
            Submission.selected_at.is_not(None),
            Submission.state.not_in(UNSELECTABLE),
        )
        .order_by(Submission.selected_at)
    ).all()


def visible_ids(session: Session, user: User, first: UUID, last: UUID, *, limit: int) -> Sequence[UUID]:
    """Return the ids from `first` to `last`, at most `limit`: uploads of the user's teams, and all that a host sees."""
    is_member = exists().where(TeamMember.team_id == Submission.team_id, TeamMember.user_id == user.id)
    hosts = exists().where(
        CompetitionHost.competition_id == Submission.competition_id, CompetitionHost.user_id == user.id
    )
    is_own = is_member & (Submission.evaluation != Evaluation.FINAL)
    return session.scalars(
        select(Submission.id)
        .where(Submission.id.between(first, last), true() if user.is_operator else or_(is_own, hosts))
        .order_by(Submission.id)
        .limit(limit)
    ).all()


@prepared
def _final_of() -> Select[Submission]:
    return select(Submission).where(
        Submission.origin_id == bindparam("origin_id"), Submission.evaluation == Evaluation.FINAL
    )


def final_of(session: Session, submission: Submission) -> Submission | None:
    """Return the final evaluation of a public submission, or None."""
    final: Submission | None = _final_of.entities(session, origin_id=submission.id).scalar_one_or_none()
    return final


def _answering() -> Select[UUID]:
    """The newest submission of the team of `user_id` in `competition_id` that may answer an upload to `evaluation`."""
    return (
        select(Submission.id)
        .join(TeamMember, TeamMember.team_id == Submission.team_id)
        .where(
            TeamMember.competition_id == bindparam("competition_id"),
            TeamMember.user_id == bindparam("user_id"),
            Submission.evaluation == bindparam("evaluation"),
            Submission.state != SubmissionState.FAILED,
            Submission.state != SubmissionState.CANCELLED,
        )
        .order_by(Submission.created_at.desc())
        .limit(1)
    )


def _is_of_source() -> ColumnElement[bool]:
    return or_(
        Submission.source_sha256 == bindparam("source_sha256"),
        Submission.upload_sha256 == bindparam("source_sha256"),
    )


@prepared
def identical_submission() -> Select[UUID]:
    """The newest submission that answers an upload of `user_id` to `competition_id`.

    `source_sha256` is of its source as it was uploaded, or as it runs.
    """
    return _answering().where(_is_of_source())


@prepared
def submission_of_form() -> Select[UUID]:
    """The newest submission whose source has the form `form_sha256` that answers an upload, as identical ones do."""
    return _answering().where(Submission.form_sha256 == bindparam("form_sha256"))


@prepared
def next_seed_epoch() -> Select[int]:
    """The epoch of the seeds of another submission of `source_sha256` by `team_id` to `evaluation`; 0 for its first."""
    return select(func.coalesce(func.max(Submission.seed_epoch) + 1, 0)).where(
        Submission.team_id == bindparam("team_id"),
        _is_of_source(),
        Submission.evaluation == bindparam("evaluation"),
    )


# Published sources


def published(competition: Competition) -> Select[Submission]:
    """The submissions whose sources everybody may read, for `fetch_page`; none that is disqualified."""
    return (
        select(Submission)
        .join(Team, Team.id == Submission.team_id)
        .where(
            Submission.competition_id == competition.id,
            Submission.licence.is_not(None),
            Submission.disqualified_reason.is_(None),
            Team.disqualified_reason.is_(None),
        )
    )


def find_published(session: Session, competition: Competition, submission_id: UUID) -> Submission | None:
    """Return the submission if its source is published, else None."""
    return session.scalar(published(competition).where(Submission.id == submission_id))


def published_ids(session: Session, competition: Competition, first: UUID, last: UUID) -> Sequence[UUID]:
    """Return the ids from `first` to `last` of published sources, at most two."""
    statement = published(competition).with_only_columns(Submission.id).where(Submission.id.between(first, last))
    return session.scalars(statement.limit(2)).all()


# Event streams


@prepared
def change_marks() -> Select[*tuple[Any, ...]]:
    """The columns of the submissions `submission_ids` that change when something happens to them."""
    return select(
        Submission.id,
        Submission.state,
        Submission.generation,
        Submission.runs_shown,
        Submission.selected_at,
        Submission.disqualified_reason,
    ).where(Submission.id.in_(bindparam("submission_ids", expanding=True)))


@prepared
def enabled_members() -> Select[UUID, str, UUID]:
    """Those of the accounts `user_ids` that are enabled, with the submissions of `submission_ids` of their teams."""
    return (
        select(User.id.label("user_id"), User.password_hash, Submission.id.label("submission_id"))
        .join(TeamMember, TeamMember.user_id == User.id)
        .join(Submission, Submission.team_id == TeamMember.team_id)
        .where(
            User.id.in_(bindparam("user_ids", expanding=True)),
            User.disabled_at.is_(None),
            Submission.id.in_(bindparam("submission_ids", expanding=True)),
        )
    )


def by_id(session: Session, submission_ids: Iterable[UUID]) -> list[Submission]:
    """Return the submissions with these ids, in no particular order."""
    wanted = list(submission_ids)
    return list(session.scalars(select(Submission).where(Submission.id.in_(wanted)))) if wanted else []


# Selections


def lock_team(session: Session, team_id: UUID) -> None:
    """Wait until no other transaction changes the team, its selections or its usage."""
    session.execute(select(Team.id).where(Team.id == team_id).with_for_update())


@prepared
def count_selected() -> Select[int]:
    """How many submissions the team `team_id` has chosen that can still be evaluated at the end."""
    return select(func.count()).where(
        Submission.team_id == bindparam("team_id"),
        Submission.evaluation == Evaluation.PUBLIC,
        Submission.selected_at.is_not(None),
        Submission.state.not_in(UNSELECTABLE),
    )


def selected_without_score(session: Session, team_id: UUID) -> Sequence[Submission]:
    """Return what the team has chosen that failed or was cancelled since."""
    return session.scalars(
        select(Submission).where(
            Submission.team_id == team_id,
            Submission.evaluation == Evaluation.PUBLIC,
            Submission.selected_at.is_not(None),
            Submission.state.in_(UNSELECTABLE),
        )
    ).all()


# Quotas


@prepared
def usage() -> Select[*tuple[Any, ...]]:
    """What the team `team_id` sent to `evaluation`: charged since `day_start`, charged in total, and not yet ended."""
    charged = Submission.is_charged.is_(True)
    return select(
        func.count().filter(charged, Submission.created_at >= bindparam("day_start")).label("today"),
        func.count().filter(charged).label("total"),
        func.count().filter(*(Submission.state != state for state in TERMINAL_STATES)).label("in_flight"),
    ).where(Submission.team_id == bindparam("team_id"), Submission.evaluation == bindparam("evaluation"))


# One statement counts and answers, on both databases: two that read and then write would let parallel uploads pass.
_COUNT_ATTEMPTS: Final = {
    rows: text(
        f"INSERT INTO upload_attempts (day, subject, count) VALUES {values} "  # noqa: S608 - both are written here
        "ON CONFLICT (day, subject) DO UPDATE SET count = upload_attempts.count + 1 "
        "RETURNING subject, count AS attempts"
    ).bindparams(bindparam("day", type_=Date))
    for rows, values in ((1, "(:day, :subject0, 1)"), (2, "(:day, :subject0, 1), (:day, :subject1, 1)"))
}


def count_attempts(session: Session, day: date, subjects: list[str]) -> dict[str, int]:
    """Count an attempt of each of one or two subjects, and return their attempts of the day, this one included."""
    values = {f"subject{number}": subject for number, subject in enumerate(subjects)}
    counted = session.execute(_COUNT_ATTEMPTS[len(subjects)], {"day": day, **values})
    return {row.subject: int(row.attempts) for row in counted}


@prepared
def delete_attempts() -> Delete:
    """Attempts of days before `day`."""
    return delete(UploadAttempt).where(UploadAttempt.day < bindparam("day"))


# Idempotency keys


@prepared
def _idempotency_key() -> Select[IdempotencyKey]:
    return select(IdempotencyKey).where(
        IdempotencyKey.user_id == bindparam("user_id"),
        IdempotencyKey.key == bindparam("key"),
        IdempotencyKey.created_at > bindparam("since"),
    )


def find_idempotency_key(session: Session, user: User, key: str, *, since: datetime) -> IdempotencyKey | None:
    """Return the user's key if it was stored after `since`, else None."""
    found: IdempotencyKey | None = _idempotency_key.entities(
        session, user_id=user.id, key=key, since=since
    ).scalar_one_or_none()
    return found


@prepared
def delete_idempotency_keys() -> Delete:
    """Keys of the account `user_id` that were stored until `until`."""
    return delete(IdempotencyKey).where(
        IdempotencyKey.user_id == bindparam("user_id"), IdempotencyKey.created_at <= bindparam("until")
    )


def final_evaluations(session: Session, submission_id: UUID) -> Sequence[Submission]:
    """Return the final evaluation of a public submission as a list of one; empty if there is none."""
    return session.scalars(select(Submission).where(Submission.origin_id == submission_id)).all()


def count_unfinished(session: Session, competition_id: UUID) -> dict[str, int]:
    """Return how many of the competition's submissions are in each state that is not terminal; zeros are left out."""
    unfinished = [state for state in SubmissionState if state not in TERMINAL_STATES]
    rows = session.execute(
        select(Submission.state, func.count())
        .where(Submission.competition_id == competition_id, Submission.state.in_(unfinished))
        .group_by(Submission.state)
    )
    return {row[0]: row[1] for row in rows}
