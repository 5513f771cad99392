"""The boards as everybody sees them: a page of teams with the reference rows among them, as JSON and as CSV."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session, defer

from evaluator.contract.states import Evaluation
from server.competitions.phases import phase
from server.competitions.service import get_competition
from server.csv_table import csv_table
from server.errors import NotFound
from server.leaderboard.schemas import Leaderboard, LeaderboardRow
from server.leaderboard.standings import is_frozen
from server.leaks import Viewer, round_score, round_time, sight
from server.models import Competition, Score, Standing, Team
from server.submissions.schemas import IntervalView

REFERENCE_TITLES = {"ceiling": "Ceiling: other oracles", "floor": "Floor: does nothing"}
CSV_COLUMNS = (
    *("rank", "team", "score", "interval_low", "interval_high", "entries", "last_scored_at", "reference"),
    "public_rank",
)


class FinalNotRevealed(NotFound):
    """The final board exists only after the host's reveal."""

    code = "final_not_revealed"
    title = "Final board not revealed"


def get_calendar(session: Session, slug: str) -> Competition:
    """The published competition without its documents, which no board needs; raises CompetitionNotFound."""
    light = (defer(Competition.specification, raiseload=True), defer(Competition.dossier, raiseload=True))
    found = session.scalar(
        select(Competition).options(*light).where(Competition.slug == slug, Competition.opened_at.is_not(None))
    )
    return found or get_competition(session, slug)


def require_visible(competition: Competition, evaluation: Evaluation, viewer: Viewer = Viewer.STRANGER) -> None:
    """Raise FinalNotRevealed when `viewer` may not see that board yet."""
    if evaluation is Evaluation.FINAL and not sight(viewer, phase(competition)).final:
        raise FinalNotRevealed("The final board is shown after the host reveals it. Ask for view=public.")


def leaderboard(
    session: Session,
    competition: Competition,
    evaluation: Evaluation = Evaluation.PUBLIC,
    *,
    offset: int = 0,
    limit: int | None = None,
) -> Leaderboard:
    """`limit` teams (None: all) from `offset` on, best score first, with every reference row among them."""
    teams = _team_rows(session, competition, evaluation, offset, limit)
    total = session.scalar(
        select(func.max(Standing.position)).where(
            Standing.competition_id == competition.id, Standing.evaluation == evaluation
        )
    )
    updated = session.scalar(
        select(func.max(Standing.updated_at)).where(
            Standing.competition_id == competition.id, Standing.evaluation == evaluation
        )
    )
    references = reference_rows(session, competition, evaluation)
    end = offset + len(teams)
    return Leaderboard(
        competition=competition.slug,
        title=competition.title,
        view=evaluation.value,
        updated_at=None if updated is None else round_time(updated),
        frozen=is_frozen(competition, evaluation),
        teams=total or 0,
        next_offset=end if end < (total or 0) else None,
        rows=merged(teams, references),
    )


def merged(teams: list[LeaderboardRow], references: list[LeaderboardRow]) -> list[LeaderboardRow]:
    """Reference rows put between the teams by score, the teams left in their order."""
    merged: list[LeaderboardRow] = []
    waiting = sorted(references, key=lambda row: -row.score)
    for row in teams:
        while waiting and waiting[0].score > row.score:
            merged.append(waiting.pop(0))
        merged.append(row)
    return merged + waiting


def _team_rows(
    session: Session, competition: Competition, evaluation: Evaluation, offset: int, limit: int | None
) -> list[LeaderboardRow]:
    chosen = select(Standing).where(
        Standing.competition_id == competition.id, Standing.evaluation == evaluation, Standing.position > offset
    )
    if limit is not None:
        chosen = chosen.where(Standing.position <= offset + limit)
    part = chosen.subquery()
    public = (
        select(Standing.team_id, Standing.rank)
        .where(Standing.competition_id == competition.id, Standing.evaluation == Evaluation.PUBLIC)
        .subquery()
    )
    found = session.execute(
        select(
            part.c.rank, part.c.entries, part.c.last_scored_at, Team.name,
            Score.final_score, Score.interval_low, Score.interval_high,
            public.c.rank.label("public_rank"),
        )
        .join(Team, Team.id == part.c.team_id)
        .join(Score, Score.id == part.c.score_id)
        .outerjoin(public, public.c.team_id == part.c.team_id)
        .order_by(part.c.position)
    )  # fmt: skip
    return [
        LeaderboardRow(
            rank=row.rank,
            team=row.name,
            score=round_score(row.final_score),
            interval=_interval(row.interval_low, row.interval_high),
            entries=row.entries,
            last_scored_at=None if row.last_scored_at is None else round_time(row.last_scored_at),
            reference=None,
            public_rank=row.public_rank if evaluation is Evaluation.FINAL else None,
        )
        for row in found
    ]


def reference_rows(session: Session, competition: Competition, evaluation: Evaluation) -> list[LeaderboardRow]:
    """Ceiling, floor and baselines, which take no rank."""
    scores = session.scalars(
        select(Score).where(
            Score.competition_id == competition.id, Score.evaluation == evaluation, Score.reference.is_not(None)
        )
    )
    yardsticks = [
        _reference(REFERENCE_TITLES[score.reference], score, score.reference) for score in scores if score.reference
    ]
    return [*yardsticks, *_baseline_rows(session, competition, evaluation)]


def _baseline_rows(session: Session, competition: Competition, evaluation: Evaluation) -> list[LeaderboardRow]:
    found = session.execute(
        select(Team.name, Score)
        .join(Standing, Standing.team_id == Team.id)
        .join(Score, Score.id == Standing.score_id)
        .where(Standing.competition_id == competition.id, Standing.evaluation == evaluation, Standing.position == 0)
    )
    return [_reference(name, score, "baseline") for name, score in found]


def _reference(name: str, score: Score, kind: str) -> LeaderboardRow:
    return LeaderboardRow(
        rank=None,
        team=name,
        score=round_score(score.final_score),
        interval=_interval(score.interval_low, score.interval_high),
        entries=0,
        last_scored_at=None,
        reference=kind,
    )


def _interval(low: float, high: float) -> IntervalView:
    return IntervalView(low=round_score(low), high=round_score(high))


def as_csv(board: Leaderboard) -> str:
    """The board as CSV with a header; reference rows have an empty rank."""
    return csv_table(
        CSV_COLUMNS,
        (
            [
                row.rank,
                row.team,
                row.score,
                row.interval.low,
                row.interval.high,
                row.entries,
                row.last_scored_at.isoformat() if row.last_scored_at else None,
                row.reference,
                row.public_rank,
            ]
            for row in board.rows
        ),
    )
