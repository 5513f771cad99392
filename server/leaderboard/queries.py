"""SQL of the boards: which scores count, the standings, and the rows of a board.

Two scores of a submission have a name. The current one is that of its generation: there is none from the moment a rerun
begins until it is scored. The newest one is that of its newest scored generation, so that boards and archives keep
showing a score while the submission runs again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    Subquery,
    Update,
    bindparam,
    exists,
    func,
    null,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.orm import Session, aliased

from evaluator.contract.states import Evaluation
from server.database.statements import prepared
from server.models import Competition, OverviewPlot, Score, Standing, Submission, Team, TeamMember, User

_NUMBERS = (Score.final_score, Score.interval_low, Score.interval_high)


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
    size: int = 50  # each row is drawn, and a browser draws all of them before it shows the first

    @property
    def is_natural(self) -> bool:
        """Whether the rows come best score first, all of them."""
        return not self.search and self.order in {"rank", "-score"}

    @property
    def offset(self) -> int:
        """Teams on the pages before this one."""
        return (self.page - 1) * self.size


# Scores of submissions


def is_current() -> ColumnElement[bool]:
    """Join a Submission and its current Score."""
    return (Score.submission_id == Submission.id) & (Score.generation == Submission.generation)


def is_newest() -> ColumnElement[bool]:
    """Keep of each submission's Scores the newest one."""
    newer = aliased(Score)
    return ~exists().where(newer.submission_id == Score.submission_id, newer.generation > Score.generation)


def counts() -> ColumnElement[bool]:
    """Keep Submissions whose scores count on a board: neither they nor their Teams are disqualified."""
    return Submission.disqualified_reason.is_(None) & Team.disqualified_reason.is_(None)


@prepared
def _current_score() -> Select[Score]:
    return select(Score).where(
        Score.submission_id == bindparam("submission_id"), Score.generation == bindparam("generation")
    )


def current_score(session: Session, submission: Submission) -> Score | None:
    """Return the score of the submission's generation, or None."""
    found = _current_score.entities(session, submission_id=submission.id, generation=submission.generation)
    score: Score | None = found.scalar_one_or_none()
    return score


# Standings


def _scores() -> Select[*tuple[Any, ...]]:
    """Scores that count on the board of `competition_id` and `evaluation`, with the times of their files' upload."""
    origin = aliased(Submission)
    return (
        select(
            Score.id.label("score_id"),
            Score.final_score,
            func.coalesce(Submission.finished_at, Score.created_at).label("scored_at"),
            Submission.team_id,
            Team.is_baseline,
            func.coalesce(origin.created_at, Submission.created_at).label("submitted_at"),
        )
        .join(Submission, Submission.id == Score.submission_id)
        .join(Team, Team.id == Submission.team_id)
        .outerjoin(origin, origin.id == Submission.origin_id)
        .where(
            Submission.competition_id == bindparam("competition_id"),
            Submission.evaluation == bindparam("evaluation"),
            counts(),
            is_newest(),
        )
    )


def _of_team() -> ColumnElement[bool]:
    return Submission.team_id == bindparam("team_id")


def _best(scores: Subquery) -> Select[*tuple[Any, ...]]:
    """Of each team the best of `scores`; of equal ones that of the file uploaded first."""
    team = scores.c.team_id
    order = (scores.c.final_score.desc(), scores.c.submitted_at, scores.c.score_id)
    placed = select(
        *scores.c,
        func.row_number().over(partition_by=team, order_by=order).label("place"),
        func.count().over(partition_by=team).label("entries"),
        func.max(scores.c.scored_at).over(partition_by=team).label("last_scored_at"),
    ).subquery()
    return select(placed).where(placed.c.place == 1)


@prepared
def best_scores() -> Select[*tuple[Any, ...]]:
    """Each team's best score on the board of `competition_id` and `evaluation`, baselines among them."""
    return _best(_scores().subquery())


@prepared
def best_score_of_team() -> Select[*tuple[Any, ...]]:
    """The row of `best_scores` of the team `team_id`, if it has one."""
    return _best(_scores().where(_of_team()).subquery())


def _rises(scores: Subquery) -> Select[*tuple[Any, ...]]:
    """Those of `scores` that were above all their team had before them, oldest first."""
    before = func.max(scores.c.final_score).over(
        partition_by=scores.c.team_id, order_by=(scores.c.scored_at, scores.c.score_id), rows=(None, -1)
    )
    ranked = select(*scores.c, before.label("before")).subquery()
    return (
        select(ranked.c.team_id, ranked.c.scored_at, ranked.c.final_score)
        .where(or_(ranked.c.before.is_(None), ranked.c.final_score > ranked.c.before))
        .order_by(ranked.c.scored_at, ranked.c.score_id)
    )


@prepared
def score_rises() -> Select[*tuple[Any, ...]]:
    """When each team's best score rose, and to what, on the board of `competition_id` and `evaluation`."""
    return _rises(_scores().subquery())


@prepared
def score_rises_of_team() -> Select[*tuple[Any, ...]]:
    """The rows of `score_rises` of the team `team_id`."""
    return _rises(_scores().where(_of_team()).subquery())


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


def standings(session: Session, competition: Competition, evaluation: Evaluation) -> list[Standing]:
    """Return all standings of a board, in no particular order."""
    of_board = select(Standing).where(Standing.competition_id == competition.id, Standing.evaluation == evaluation)
    return list(session.scalars(of_board))


@prepared
def _replicates() -> Select[UUID, list[Any]]:
    return select(Score.id, Score.replicates).where(Score.id.in_(bindparam("score_ids", expanding=True)))


def replicates(session: Session, score_ids: Iterable[UUID], batch: int = 1_000) -> dict[UUID, list[float]]:
    """Return the replicates of each score, read `batch` scores at a time."""
    ids = list(score_ids)
    found: dict[UUID, list[float]] = {}
    for start in range(0, len(ids), batch):
        rows = _replicates.rows(session, score_ids=ids[start : start + batch])
        found.update((row.id, row.replicates) for row in rows)
    return found


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


# Plots


@prepared
def undrawn_score() -> Select[Score]:
    """The newest current score whose plots nobody has tried to draw."""
    return (
        select(Score)
        .join(Submission, is_current())
        .where(Score.plots.is_(None), Score.submission_id.is_not(None))
        .order_by(Score.created_at.desc())
        .limit(1)
    )


@prepared
def store_plots() -> Update:
    """Name the plots of the score `score_id`."""
    return update(Score).where(Score.id == bindparam("score_id")).values(plots=bindparam("drawn"))


@prepared
def changed_boards() -> Select[*tuple[Any, ...]]:
    """Competitions with a board that ever changed: columns only, because whole rows are long."""
    columns = (Competition.id, Competition.board_version, Competition.finals_started_at)
    return select(*columns).where(Competition.board_version > 0)


@prepared
def overview_plots() -> Select[OverviewPlot]:
    """Every board's plot over all submissions."""
    return select(OverviewPlot)


@prepared
def overview_scores() -> Select[*tuple[Any, ...]]:
    """The `limit` best current scores that count on a board, best first; a team's best one with the team's place."""
    return (
        select(Score.final_score, Score.forgetting_quality, Score.retain_ratio, Score.test_ratio, Standing.position)
        .join(Submission, is_current())
        .join(Team, Team.id == Submission.team_id)
        .outerjoin(Standing, Standing.score_id == Score.id)
        .where(
            Submission.competition_id == bindparam("competition_id"),
            Submission.evaluation == bindparam("evaluation"),
            counts(),
        )
        .order_by(Score.final_score.desc(), Submission.id)
        .limit(bindparam("limit"))
    )


# Boards


def _of_board() -> tuple[ColumnElement[bool], ...]:
    return (Standing.competition_id == bindparam("competition_id"), Standing.evaluation == bindparam("evaluation"))


def _board_rows(evaluation: Evaluation, *more: Any) -> Select[*tuple[Any, ...]]:
    """Teams with their standings; on the final board with their ranks on the public one.

    Its columns are those that `service.team_row` reads, followed by `more`.
    """
    rows = (
        select(Standing.rank, Standing.entries, Standing.last_scored_at, Team.name, *_NUMBERS, *more)
        .join(Team, Team.id == Standing.team_id)
        .join(Score, Score.id == Standing.score_id)
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
def score_at() -> Select[float]:
    """The score of the team at place `position` of a board."""
    return (
        select(Score.final_score)
        .join(Standing, Standing.score_id == Score.id)
        .where(*_of_board(), Standing.position == bindparam("position"))
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
def reference_scores() -> Select[*tuple[Any, ...]]:
    """Scores of a board's ceiling and floor."""
    return select(Score.reference, *_NUMBERS).where(
        Score.competition_id == bindparam("competition_id"),
        Score.evaluation == bindparam("evaluation"),
        Score.reference.is_not(None),
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


# The pages' analysis


@dataclass(frozen=True)
class AnalysedScore:
    """The score in a standing, unrounded, with its submission; `position` is 0 for a baseline."""

    submission_id: UUID
    filename: str
    team: str
    position: int
    final_score: float
    forgetting_quality: float
    retain_ratio: float
    test_ratio: float


def analysed_scores(session: Session, competition_id: UUID, evaluation: Evaluation) -> list[AnalysedScore]:
    """Return the best score of every team and baseline on the board, best first; ties in the board's order."""
    statement = (
        select(
            Submission.id.label("submission_id"), Submission.filename, Team.name.label("team"), Standing.position,
            Score.final_score, Score.forgetting_quality, Score.retain_ratio, Score.test_ratio,
        )
        .join(Score, Score.id == Standing.score_id)
        .join(Submission, Submission.id == Score.submission_id)
        .join(Team, Team.id == Standing.team_id)
        .where(Standing.competition_id == competition_id, Standing.evaluation == evaluation)
        .order_by(Score.final_score.desc(), Standing.position)
    )  # fmt: skip
    return [AnalysedScore(**row) for row in session.execute(statement).mappings()]


@dataclass(frozen=True)
class ScoreReplicates:
    """A submission's current score with its replicates, one for each group."""

    submission_id: UUID
    filename: str
    team: str
    final_score: float
    replicates: list[float]


def score_replicates(
    session: Session, competition_id: UUID, evaluation: Evaluation, submission_ids: Sequence[UUID]
) -> list[ScoreReplicates]:
    """Return the current scores of the submissions that belong to the evaluation and are not disqualified."""
    statement = (
        select(
            Submission.id.label("submission_id"), Submission.filename, Team.name.label("team"),
            Score.final_score, Score.replicates,
        )
        .join(Score, is_current())
        .join(Team, Team.id == Submission.team_id)
        .where(
            Submission.id.in_(submission_ids),
            Submission.competition_id == competition_id,
            Submission.evaluation == evaluation,
            Submission.disqualified_reason.is_(None),
        )
    )  # fmt: skip
    return [ScoreReplicates(**row) for row in session.execute(statement).mappings()]
