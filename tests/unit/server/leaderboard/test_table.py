"""A page of the board from the database: order, search, places of the reference rows, movement and history."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from lethe.evaluator.contract.prepared_competition import ArtifactRef
from lethe.evaluator.contract.specification import CompetitionSpec
from lethe.evaluator.contract.states import Evaluation
from lethe.server.competitions import disclosure
from lethe.server.competitions import service as competitions
from lethe.server.database.engine import Database
from lethe.server.leaderboard.board_page import BoardPage, TeamRow, board_page, own_row
from lethe.server.leaderboard.queries import BoardQuery, OwnPlace, own_places
from lethe.server.leaderboard.rank_reasons import TeamNotRanked, rank_reasons, ranked_team
from lethe.server.leaderboard.schemas import LeaderboardRow
from lethe.server.leaderboard.standings import rank_team, rebuild
from lethe.server.models import Base, Competition, Score, Standing, Submission, Team, TeamMember, User
from lethe.server.models.times import utc_now
from lethe.server.pages.board import board
from tests.prepared_competitions import make_prepared_competition
from tests.scores import make_score

START = datetime(2025, 5, 20, 9, 31, 7, tzinfo=UTC)
SCORES = {"ann": (0.1, 0.5), "bea": (0.4,), "cleo": (0.3, 0.2), "dora": (0.2,)}


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    database = Database(f"sqlite:///{tmp_path / 'lethe.db'}")
    Base.metadata.create_all(database.engine)
    with database.write() as session:
        yield session
    database.dispose()


@pytest.fixture
def competition(session: Session) -> Competition:
    """Four teams of one person each, whose replicates are so close together that nobody shares a rank."""
    found = competitions.create(
        session,
        CompetitionSpec(slug="c", title="C"),
        make_prepared_competition(ArtifactRef(key="sheet.png", sha256="0" * 64), environment={}),
    )
    found.opened_at = START
    for name, scores in SCORES.items():
        user = User(username=name, username_key=name, email=name, email_key=name, password_hash="")
        team = Team(competition_id=found.id, name=f"Team {name.title()}", name_key=f"team {name}")
        session.add_all([user, team])
        session.flush()
        session.add(TeamMember(competition_id=found.id, team_id=team.id, user_id=user.id))
        for number, score in enumerate(scores):
            add_score(session, found, team, user, score, START + timedelta(hours=number))
    for reference, score in (("ceiling", 0.45), ("floor", 0.0)):
        session.add(_score(found, score, reference=reference))
    session.flush()
    rebuild(session, found, Evaluation.PUBLIC)
    session.flush()
    return found


def add_score(
    session: Session, competition: Competition, team: Team, user: User, score: float, finished_at: datetime
) -> None:
    submission = Submission(
        competition_id=competition.id,
        team_id=team.id,
        user_id=user.id,
        filename="a.py",
        source_key="s",
        source_sha256="0",
        state="scored",
        runs_total=8,
        deadline_at=finished_at,
        finished_at=finished_at,
    )
    session.add(submission)
    session.flush()
    session.add(_score(competition, score, submission=submission))


def _score(
    competition: Competition, score: float, *, submission: Submission | None = None, reference: str | None = None
) -> Score:
    return make_score(
        competition.id,
        score,
        submission=submission,
        reference=reference,
        interval_high=score + 0.01,
        replicates=[score + 1e-5 * group for group in range(16)],
    )


def names(found: BoardPage) -> list[str]:
    return [row.team if isinstance(row, LeaderboardRow) else row.line.team for row in found.rows]


def team(found: BoardPage, name: str) -> TeamRow:
    (row,) = (row for row in found.rows if isinstance(row, TeamRow) and row.line.team == name)
    return row


CEILING, FLOOR = "Ceiling: other oracles", "Floor: does nothing"


def test_the_whole_board_in_order_with_references_by_score(session: Session, competition: Competition) -> None:
    found = board_page(session, competition, BoardQuery())
    assert names(found) == ["Team Ann", CEILING, "Team Bea", "Team Cleo", "Team Dora", FLOOR]
    assert (found.teams, found.entries, found.found, found.low, found.top) == (4, 6, 4, 0.0, 0.51)
    assert team(found, "Team Ann").members == ("ann",)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_every_row_is_on_one_page(session: Session, competition: Competition, size: int) -> None:
    whole = board_page(session, competition, BoardQuery())
    pages = [
        board_page(session, competition, BoardQuery(page=number, size=size)) for number in range(1, -(-4 // size) + 1)
    ]
    assert [name for found in pages for name in names(found)] == names(whole)
    assert {(found.low, found.top, found.teams) for found in pages} == {(whole.low, whole.top, 4)}


def test_other_orders_keep_the_references_behind(session: Session, competition: Competition) -> None:
    by_entries = names(board_page(session, competition, BoardQuery(order="-entries")))
    assert by_entries == ["Team Ann", "Team Cleo", "Team Bea", "Team Dora", CEILING, FLOOR]
    assert names(board_page(session, competition, BoardQuery(order="-team")))[0] == "Team Dora"
    assert names(board_page(session, competition, BoardQuery(order="score")))[0] == "Team Dora"
    assert names(board_page(session, competition, BoardQuery(order="-score"))) == names(
        board_page(session, competition, BoardQuery())
    )


@pytest.mark.parametrize(
    ("search", "expected"),
    [("bea", ["Team Bea"]), ("TEAM D", ["Team Dora"]), ("cleo", ["Team Cleo"]), ("%", []), ("_", [])],
)
def test_search_finds_teams_and_members(
    session: Session, competition: Competition, search: str, expected: list[str]
) -> None:
    found = board_page(session, competition, BoardQuery(search=search))
    assert (names(found), found.found, found.teams) == ([*expected, CEILING, FLOOR], len(expected), 4)


def test_best_holds_only_what_rose(session: Session, competition: Competition) -> None:
    found = board_page(session, competition, BoardQuery())
    minute = START.replace(second=0)
    assert team(found, "Team Ann").best == ((minute, 0.1), (minute + timedelta(hours=1), 0.5))
    assert team(found, "Team Cleo").best == ((minute, 0.3),)
    assert found.since == minute


def test_one_team_placed_anew_stands_as_if_all_were(session: Session, competition: Competition) -> None:
    dora = session.query(Team).filter_by(name="Team Dora").one()
    user = session.query(User).filter_by(username="dora").one()
    add_score(session, competition, dora, user, 0.45, START + timedelta(hours=2))
    ann = session.query(Team).filter_by(name="Team Ann").one()
    ann.disqualified_reason = "two accounts"
    session.flush()
    for one in (dora, ann):
        rank_team(session, competition, Evaluation.PUBLIC, one.id)
    placed = standings(session)
    rebuild(session, competition, Evaluation.PUBLIC)
    assert standings(session) == placed
    assert [(name, position) for name, position, *_ in placed] == [("Team Dora", 1), ("Team Bea", 2), ("Team Cleo", 3)]
    assert [score for _, score in placed[0][-1]] == [0.2, 0.45]


def standings(session: Session) -> list[tuple[object, ...]]:
    session.flush()
    columns = (
        Team.name,
        Standing.position,
        Standing.rank,
        Standing.score_id,
        Standing.entries,
        Standing.last_scored_at,
    )
    rows = session.execute(select(*columns, Standing.score_history).join(Team).order_by(Standing.position))
    return [tuple(row) for row in rows]


def test_movement_is_against_the_day_before(session: Session, competition: Competition) -> None:
    assert team(board_page(session, competition, BoardQuery()), "Team Bea").moved is None
    yesterday = utc_now().date() - timedelta(days=1)
    for standing in session.query(Standing):
        standing.ranked_on = yesterday
    session.flush()
    assert team(board_page(session, competition, BoardQuery()), "Team Bea").moved == 0
    dora = session.query(Team).filter_by(name="Team Dora").one()
    user = session.query(User).filter_by(username="dora").one()
    add_score(session, competition, dora, user, 0.45, START + timedelta(hours=9))
    session.flush()
    rebuild(session, competition, Evaluation.PUBLIC)
    session.flush()
    found = board_page(session, competition, BoardQuery())
    moves = {row.line.team: row.moved for row in found.rows if isinstance(row, TeamRow)}
    assert moves == {"Team Ann": 0, "Team Dora": 2, "Team Bea": -1, "Team Cleo": -1}
    mine = own_row(session, competition, dora, Evaluation.PUBLIC)
    assert mine == team(found, "Team Dora")


def test_an_opened_row_says_who_is_better_and_who_cannot_be_told(session: Session, competition: Competition) -> None:
    cleo = ranked_team(session, competition, Evaluation.PUBLIC, "Team Cleo")
    scores = session.scalars(select(Score).where(Score.reference.is_(None))).all()
    for score in scores:  # Bea's is too noisy to be better than Cleo's
        if score.final_score == 0.4:
            score.replicates = [0.4 + 0.1 * (-1) ** group for group in range(16)]
    session.flush()
    why = rank_reasons(session, competition, Evaluation.PUBLIC, cleo)
    assert (why.better, why.alike, why.worse) == (("Team Ann",), ("Team Bea",), ("Team Dora",))
    assert (why.has_all_above, why.has_all_below) == (True, True)


def test_before_the_reveal_only_the_nearest_teams_are_compared(
    session: Session, competition: Competition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disclosure, "COMPARED_HIDDEN", 1)
    dora = ranked_team(session, competition, Evaluation.PUBLIC, "Team Dora")
    why = rank_reasons(session, competition, Evaluation.PUBLIC, dora)
    assert (why.better, why.alike, why.worse, why.has_all_above) == (("Team Cleo",), (), (), False)
    competition.revealed_at = START
    session.flush()
    assert len(rank_reasons(session, competition, Evaluation.PUBLIC, dora).better) == 3


def test_a_row_of_nobody_is_refused(session: Session, competition: Competition) -> None:
    with pytest.raises(TeamNotRanked, match="Look for it on the leaderboard"):
        ranked_team(session, competition, Evaluation.PUBLIC, "Team Nobody")


def test_the_scale_zooms_to_the_teams_of_a_page(session: Session, competition: Competition) -> None:
    found = board_page(session, competition, BoardQuery(zoom=True, size=2))
    assert (found.is_zoomed, found.top) == (True, 0.51)
    assert [one.label for one in board(found).references] == ["ceiling"]
    assert board(found).ticks[0].label != "0.00"


def test_own_places_name_the_team_and_its_rank(session: Session, competition: Competition) -> None:
    bea = session.scalars(select(User).where(User.username == "bea")).one()
    assert own_places(session, bea.id) == {"c": OwnPlace("c", "Team Bea", 2)}
    competition.revealed_at = START  # the final board has no score of hers
    session.flush()
    assert own_places(session, bea.id)["c"].rank is None
