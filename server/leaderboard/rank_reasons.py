"""Why a team has its rank: which teams near it are significantly better, and which cannot be told from it."""

from dataclasses import dataclass

import numpy as np
from sqlalchemy.orm import Session

from lethe.evaluator.contract.states import Evaluation
from lethe.evaluator.metrics import replicate_difference
from lethe.server.competitions.disclosure import Viewer, compared_places, visibility
from lethe.server.competitions.phases import phase_of
from lethe.server.errors import NotFound
from lethe.server.leaderboard import queries
from lethe.server.models import Competition, Standing, Team


class TeamNotRanked(NotFound):
    """The board has no team of that name."""

    code = "team_not_ranked"
    title = "No such team on the board"


@dataclass(frozen=True)
class RankReasons:
    """Teams by the board's order: `better` and `worse` significantly so, `alike` not distinguishable.

    `places` is how many above and below were compared; `has_all_above`, `has_all_below`: there are no more.
    """

    better: tuple[str, ...]
    alike: tuple[str, ...]
    worse: tuple[str, ...]
    places: int
    has_all_above: bool
    has_all_below: bool


def ranked_team(session: Session, competition: Competition, evaluation: Evaluation, name: str) -> Team:
    """Return the team called `name` that has a rank on the board; raises TeamNotRanked."""
    team = queries.find_ranked_team(session, competition.id, evaluation, name)
    if team is None:
        raise TeamNotRanked(f"No team called {name[:80]!r} has a rank on this board. Look for it on the leaderboard.")
    return team


def rank_reasons(session: Session, competition: Competition, evaluation: Evaluation, team: Team) -> RankReasons:
    """Return how the best score of a ranked team compares with those around it, by the rule that gives the ranks."""
    board = {"competition_id": competition.id, "evaluation": evaluation}
    standing = session.get_one(Standing, (team.id, evaluation))
    places = compared_places(visibility(Viewer.STRANGER, phase_of(competition, evaluation)))
    first, last = max(1, standing.position - places), standing.position + places
    rows = queries.scores_between.rows(session, **board, first=first, last=last + 1).all()
    (own,) = (row for row in rows if row.team_id == team.id)
    found: dict[str, list[str]] = {"better": [], "alike": [], "worse": []}
    for row in rows:
        if row.team_id != team.id and row.position <= last:
            lead = replicate_difference(
                row.final_score, np.array(row.replicates), own.final_score, np.array(own.replicates)
            )
            kind = "alike" if not lead.significant else "better" if lead.difference > 0 else "worse"
            found[kind].append(row.name)
    return RankReasons(
        **{kind: tuple(names) for kind, names in found.items()},
        places=places,
        has_all_above=first == 1,
        has_all_below=all(row.position <= last for row in rows),
    )
