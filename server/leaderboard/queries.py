"""The SQL of boards: rows, pages, ranks and versions. That of scores is in `score_queries`."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    Update,
    bindparam,
    case,
    func,
    null,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.orm import Session, aliased

from lethe.evaluator.contract.states import Evaluation
from lethe.server.database.statements import prepared
from lethe.server.models import Competition, Score, Standing, Submission, Team, TeamMember, User

_NUMBERS = (Score.final_score, Score.interval_low, Score.interval_high, Score.shown_measures, Score.breakdown)


class BoardOrder(StrEnum):
    """What a board may be sorted by; with a minus before it, downwards."""

    RANK = "rank"
    TEAM = "team"
    SCORE = "score"
    ENTRIES = "entries"
    LAST = "last"


@dataclass(frozen=True)
class BoardQuery:
    """Which part of a board is asked for. `page` counts from 1; `order` may begin with a minus."""

    evaluation: Evaluation = Evaluation.PUBLIC
    search: str = ""
    order: str = BoardOrder.RANK
    page: int = 1
    zoom: bool = False  # the scale is that of the page's teams, without zero, ceiling and floor
    size: int = 50  # each row is drawn, and a browser draws all of them before it shows the first

    @property
    def is_natural(self) -> bool:
        """Whether the rows come best score first, all of them."""
        return not self.search and self.order in {"rank", "-score"}

    @property
    def offset(self) -> int:
        """Teams on the pages before this one."""
        return (self.page - 1) * self.size


@prepared
def _locked_competition() -> Select[UUID]:
    return select(Competition.id).where(Competition.id == bindparam("competition_id")).with_for_update()


def lock_boards(session: Session, competition_id: UUID) -> None:
    """Wait until no other transaction changes the competition or its boards."""
    _locked_competition.rows(session, competition_id=competition_id)


@prepared
def _raise_version() -> Update:
    return (
        update(Competition)
        .where(Competition.id == bindparam("competition_id"))
        .values(board_version=Competition.board_version + 1)
    )


def raise_board_version(session: Session, competition_id: UUID) -> None:
    """Count a change of the competition's boards."""
    _raise_version.rows(session, competition_id=competition_id)


@prepared
def changed_boards() -> Select[*tuple[Any, ...]]:
    """Competitions with a board that ever changed: columns only, because whole rows are long."""
    columns = (Competition.id, Competition.board_version, Competition.finals_started_at)
    return select(*columns).where(Competition.board_version > 0)


def _of_board() -> tuple[ColumnElement[bool], ...]:
    return (Standing.competition_id == bindparam("competition_id"), Standing.evaluation == bindparam("evaluation"))


def _board_rows(evaluation: Evaluation, *more: Any) -> Select[*tuple[Any, ...]]:
    """Teams with their standings and what they say of their best submission; on the final board with public ranks.

    Its columns are those that `service.team_row` reads, followed by `more`.
    """
    scored, described = aliased(Submission), aliased(Submission)
    columns = (Standing.rank, Standing.entries, Standing.last_scored_at, Team.name, described.method, described.link)
    rows = (
        select(*columns, *_NUMBERS, *more)
        .join(Team, Team.id == Standing.team_id)
        .join(Score, Score.id == Standing.score_id)
        .join(scored, scored.id == Score.submission_id)
        .join(described, described.id == func.coalesce(scored.origin_id, scored.id))
    )
    if evaluation is not Evaluation.FINAL:
        return rows.add_columns(null().label("public_rank"))
    public = aliased(Standing)
    is_same = (public.team_id == Standing.team_id) & (public.evaluation == Evaluation.PUBLIC)
    return rows.add_columns(public.rank.label("public_rank")).outerjoin(public, is_same)


@prepared
def ranked_rows(evaluation: Evaluation) -> Select[*tuple[Any, ...]]:
    """Rows of the ranked teams from place `first` to `last` of a board."""
    between = Standing.position.between(bindparam("first"), bindparam("last"))
    return _board_rows(evaluation).where(*_of_board(), between).order_by(Standing.position)


def _rows_with_history(evaluation: Evaluation) -> Select[*tuple[Any, ...]]:
    """Rows of the ranked teams with what only people look at."""
    history = (Standing.team_id, Standing.rank_before, Standing.ranked_on, Standing.score_history)
    return _board_rows(evaluation, *history).where(Standing.evaluation == evaluation, Standing.position > 0)


def page_rows(session: Session, competition: Competition, wanted: BoardQuery) -> Sequence[Row[*tuple[Any, ...]]]:
    """Return the rows of the wanted page of a board, with their history."""
    query = (
        _rows_with_history(wanted.evaluation)
        .where(Standing.competition_id == competition.id, _matches(wanted.search))
        .order_by(*_ordering(wanted.order))
    )
    return session.execute(query.limit(wanted.size).offset(wanted.offset)).all()


def team_rows(session: Session, team: Team, evaluation: Evaluation) -> Sequence[Row[*tuple[Any, ...]]]:
    """Return the team's row of a board with its history, or nothing while it has none."""
    return session.execute(_rows_with_history(evaluation).where(Standing.team_id == team.id)).all()


def count_matches(session: Session, competition: Competition, wanted: BoardQuery) -> int:
    """Return the number of ranked teams that the search finds."""
    matches = (
        select(func.count())
        .select_from(Standing)
        .join(Team, Team.id == Standing.team_id)
        .where(
            Standing.competition_id == competition.id,
            Standing.evaluation == wanted.evaluation,
            Standing.position > 0,
            _matches(wanted.search),
        )
    )
    return session.scalar(matches) or 0


def _matches(search: str) -> Any:
    """Keep teams whose name, or a member's name, contains `search`, whatever its case."""
    key = search.casefold()
    if not key:
        return true()
    by_member = (
        select(TeamMember.team_id)
        .join(User, User.id == TeamMember.user_id)
        .where(User.username_key.contains(key, autoescape=True))
    )
    return or_(Team.name_key.contains(key, autoescape=True), Standing.team_id.in_(by_member))


def _ordering(order: str) -> tuple[Any, ...]:
    column = {
        BoardOrder.RANK: Standing.position,
        BoardOrder.TEAM: Team.name_key,
        BoardOrder.SCORE: -Standing.position,
        BoardOrder.ENTRIES: Standing.entries,
        BoardOrder.LAST: Standing.last_scored_at,
    }[BoardOrder(order.removeprefix("-"))]
    return (column.desc() if order.startswith("-") else column.asc(), Standing.position)


@dataclass(frozen=True)
class OwnPlace:
    """A team of somebody, and its rank on the board that its competition shows first; None without a score."""

    slug: str
    team: str
    rank: int | None


@prepared
def _own_places() -> Select[*tuple[Any, ...]]:
    shown = case((Competition.revealed_at.is_not(None), Evaluation.FINAL.value), else_=Evaluation.PUBLIC.value)
    is_shown = (Standing.team_id == Team.id) & (Standing.evaluation == shown)
    return (
        select(Competition.slug, Team.name.label("team"), Standing.rank)
        .join(Team, Team.competition_id == Competition.id)
        .join(TeamMember, TeamMember.team_id == Team.id)
        .outerjoin(Standing, is_shown)
        .where(TeamMember.user_id == bindparam("user_id"), Competition.opened_at.is_not(None))
    )


def own_places(session: Session, user_id: UUID) -> dict[str, OwnPlace]:
    """Return the places of the user's teams by the slug of their competition."""
    return {row.slug: OwnPlace(**row) for row in _own_places.rows(session, user_id=user_id).mappings()}


@prepared
def board_extent() -> Select[*tuple[Any, ...]]:
    """The number of ranked teams, and when the board was changed last; each the end of an index."""
    teams = select(func.max(Standing.position)).where(*_of_board()).scalar_subquery()
    updated_at = select(func.max(Standing.updated_at)).where(*_of_board()).scalar_subquery()
    return select(teams.label("teams"), updated_at.label("updated_at"))


@prepared
def board_totals() -> Select[*tuple[Any, ...]]:
    """What all ranked teams of a board share: their number and entries, the last change, and the ends of the scale."""
    return (
        select(
            func.count().label("teams"),
            func.sum(Standing.entries).label("entries"),
            func.max(Standing.updated_at).label("updated_at"),
            func.min(Score.interval_low).label("low"),
            func.max(Score.interval_high).label("high"),
        )
        .select_from(Standing)
        .join(Score, Score.id == Standing.score_id)
        .where(*_of_board(), Standing.position > 0)
    )


@prepared
def shared_ranks() -> Select[int | None]:
    """The ranks of a board that several teams have."""
    return (
        select(Standing.rank)
        .where(*_of_board(), Standing.position > 0)
        .group_by(Standing.rank)
        .having(func.count() > 1)
    )


@prepared
def team_members() -> Select[UUID, str]:
    """The names of the members of the teams `team_ids`, in alphabetical order."""
    return (
        select(TeamMember.team_id, User.username)
        .join(User, User.id == TeamMember.user_id)
        .where(TeamMember.team_id.in_(bindparam("team_ids", expanding=True)))
        .order_by(User.username_key)
    )


@prepared
def standing_scores() -> Select[*tuple[Any, ...]]:
    """The best scores as the standings have them, with the columns of `best_scores`."""
    origin = aliased(Submission)
    return (
        select(
            Standing.team_id,
            Standing.score_id,
            Standing.entries,
            Standing.last_scored_at,
            Score.final_score,
            Team.is_baseline,
            func.coalesce(origin.created_at, Submission.created_at).label("submitted_at"),
        )
        .join(Score, Score.id == Standing.score_id)
        .join(Submission, Submission.id == Score.submission_id)
        .join(Team, Team.id == Standing.team_id)
        .outerjoin(origin, origin.id == Submission.origin_id)
        .where(*_of_board())
    )


@prepared
def score_at() -> Select[float]:
    """The score of the team at place `position` of a board."""
    return (
        select(Score.final_score)
        .join(Standing, Standing.score_id == Score.id)
        .where(*_of_board(), Standing.position == bindparam("position"))
    )


@prepared
def reference_scores() -> Select[*tuple[Any, ...]]:
    """Scores of a board's ceiling and floor."""
    return select(Score.reference, *_NUMBERS).where(
        Score.competition_id == bindparam("competition_id"),
        Score.evaluation == bindparam("evaluation"),
        Score.reference.is_not(None),
    )


@prepared
def scores_between() -> Select[*tuple[Any, ...]]:
    """Names, scores and replicates of the teams from place `first` to `last` of a board, in its order."""
    return (
        select(Standing.position, Standing.team_id, Team.name, Score.final_score, Score.replicates)
        .join(Team, Team.id == Standing.team_id)
        .join(Score, Score.id == Standing.score_id)
        .where(*_of_board(), Standing.position.between(bindparam("first"), bindparam("last")))
        .order_by(Standing.position)
    )


def find_ranked_team(session: Session, competition_id: UUID, evaluation: Evaluation, name: str) -> Team | None:
    """Return the team called exactly `name` that has a rank on the board, or None."""
    return session.scalar(
        select(Team)
        .join(Standing, Standing.team_id == Team.id)
        .where(
            Team.competition_id == competition_id,
            Team.name == name,
            Standing.evaluation == evaluation,
            Standing.position > 0,
        )
    )


@prepared
def baseline_scores() -> Select[*tuple[Any, ...]]:
    """Scores of a board's baselines."""
    return (
        select(Team.name, *_NUMBERS)
        .join(Standing, Standing.team_id == Team.id)
        .join(Score, Score.id == Standing.score_id)
        .where(*_of_board(), Standing.position == 0)
    )
