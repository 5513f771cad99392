"""The analysis of a competition: forgetting against utility of every submission, and two submissions side by side."""

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

import numpy as np
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.orm import Session

from evaluator.contract.states import Evaluation
from evaluator.metrics import replicate_difference
from server.accounts.roles import is_host
from server.competitions import service as competitions
from server.competitions.phases import phase
from server.context import AppContext
from server.errors import NotFound
from server.leaks import Viewer, sight
from server.models import Competition, Score, Standing, Submission, Team
from server.pages import views
from server.pages.formatting import count_text, score_text
from server.pages.rendering import READ, page
from server.pages.scale import Scale, Tick, scale_for
from server.sessions import OptionalVisitor

router = APIRouter(include_in_schema=False)

POINTS_SHOWN = 3_000
HEIGHT = 420
"""Of the scatter, in pixels; its width follows the page's."""


class NothingToAnalyse(NotFound):
    """Before the reveal only hosts see what scores are made of."""

    code = "analysis_hidden"
    title = "No analysis yet"


@dataclass(frozen=True, eq=False)
class Scored:
    """A scored submission with the parts of its score; `replicates` (G,) float64."""

    id: UUID
    score_id: UUID
    name: str
    final: float
    forgetting: float
    utility: float
    replicates: NDArray[np.float64]


@dataclass(frozen=True)
class Point:
    """A scored submission in the scatter: `x` in percent of the width, `y` in pixels from the top."""

    x: float
    y: float
    is_best: bool
    words: str


@dataclass(frozen=True)
class Choice:
    """A submission that can be compared."""

    id: str
    name: str


@dataclass(frozen=True)
class Compared:
    """How two submissions differ, drawn on a scale around zero; places in percent of the width."""

    left: str
    right: str
    verdict: str
    interval: str
    zero_x: float
    low_x: float
    high_x: float
    x: float
    ticks: tuple[Tick, ...]
    alternative: str


@dataclass(frozen=True)
class AnalysisPage:
    """The whole page."""

    card: views.Card
    points: tuple[Point, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[tuple[float, str], ...]
    height: int
    about: str
    evaluation: str
    has_final: bool
    choices: tuple[Choice, ...]
    left: str
    right: str
    compared: Compared | None


@router.api_route("/competitions/{slug}/analysis", methods=READ)
def analysis(
    slug: str,
    request: Request,
    context: AppContext,
    visitor: OptionalVisitor,
    view: Evaluation = Evaluation.PUBLIC,
    a: Annotated[UUID | None, Query()] = None,
    b: Annotated[UUID | None, Query()] = None,
) -> Response:
    """For the host always, and for everybody after the reveal."""
    with context.database.read() as session:
        competition = competitions.get_competition(session, slug)
        is_hosts = visitor is not None and is_host(session, competition, visitor.user)
        seen = sight(Viewer.HOST if is_hosts else Viewer.STRANGER, phase(competition))
        if not seen.metric or (view is Evaluation.FINAL and not seen.final):
            raise NothingToAnalyse(
                "The host reveals at the end what scores are made of. Until then only hosts see this."
            )
        scored = _scores(session, competition, view)
        best = set(
            session.scalars(
                select(Standing.score_id).where(Standing.competition_id == competition.id, Standing.evaluation == view)
            )
        )
        card = views.card(competitions.row(session, competition))
        found = _page(card, scored, best, view, a, b)
    return page(request, "analysis.html", found, visitor)


def _scores(session: Session, competition: Competition, evaluation: Evaluation) -> list[Scored]:
    """The best scored submissions, best first."""
    found = session.execute(
        select(
            Submission.id, Submission.filename, Team.name, Score.id.label("score_id"), Score.final_score,
            Score.forgetting_quality, Score.retain_ratio, Score.test_ratio, Score.replicates,
        )
        .join(Score, (Score.submission_id == Submission.id) & (Score.generation == Submission.generation))
        .join(Team, Team.id == Submission.team_id)
        .where(
            Score.competition_id == competition.id,
            Score.evaluation == evaluation,
            Submission.disqualified_reason.is_(None),
        )
        .order_by(Score.final_score.desc(), Submission.id)
        .limit(POINTS_SHOWN)
    )  # fmt: skip
    return [
        Scored(
            id=row.id,
            score_id=row.score_id,
            name=f"{row.name}: {row.filename}",
            final=row.final_score,
            forgetting=row.forgetting_quality,
            utility=row.retain_ratio * row.test_ratio,
            replicates=np.array(row.replicates),
        )
        for row in found
    ]


def _page(
    card: views.Card, scored: list[Scored], best: set[UUID], view: Evaluation, a: UUID | None, b: UUID | None
) -> AnalysisPage:
    across = scale_for(one.forgetting for one in scored)
    up = scale_for(one.utility for one in scored)
    by_id = {one.id: one for one in scored}
    left, right = (by_id.get(one) if one else None for one in (a, b))
    offered = [one for one in scored if one.score_id in best or one in (left, right)]
    return AnalysisPage(
        card=card,
        points=tuple(_point(one, across, up, is_best=one.score_id in best) for one in reversed(scored)),
        x_ticks=across.ticks,
        y_ticks=tuple((_y(tick.x), tick.label) for tick in up.ticks),
        height=HEIGHT,
        about=_about(scored),
        evaluation=view,
        has_final=card.phase == "revealed",
        choices=tuple(Choice(str(one.id), f"{one.name}, {score_text(one.final)}") for one in offered),
        left=str(a or ""),
        right=str(b or ""),
        compared=_compared(left, right) if left and right and left is not right else None,
    )


def _y(percent: float) -> float:
    return round((100 - percent) / 100 * HEIGHT, 1)


def _point(one: Scored, across: Scale, up: Scale, *, is_best: bool) -> Point:
    words = (
        f"{one.name}: forgetting {score_text(one.forgetting)}, utility {score_text(one.utility)}, "
        f"score {score_text(one.final)}"
    )
    return Point(across.x(one.forgetting), _y(up.x(one.utility)), is_best, words)


def _about(scored: list[Scored]) -> str:
    if not scored:
        return "No submission is scored yet."
    top = scored[0]
    return (
        f"{count_text(len(scored), 'scored submission')}. The best, {top.name}, has forgetting quality "
        f"{score_text(top.forgetting)} and utility {score_text(top.utility)}."
    )


def _compared(left: Scored, right: Scored) -> Compared | None:
    """None for scores that cannot be compared, of different numbers of groups."""
    if left.replicates.shape != right.replicates.shape:
        return None
    found = replicate_difference(left.final, left.replicates, right.final, right.replicates)
    low, high = found.interval
    scale = scale_for((low, high))
    if found.significant:
        better, worse = (left.name, right.name) if found.difference > 0 else (right.name, left.name)
        verdict = f"{better} is significantly better than {worse}."
    else:
        verdict = "The difference may be chance: the interval holds zero."
    interval = f"{score_text(low)} to {score_text(high)}"
    return Compared(
        left=left.name,
        right=right.name,
        verdict=verdict,
        interval=interval,
        zero_x=scale.x(0.0),
        low_x=scale.x(low),
        high_x=scale.x(high),
        x=scale.x(found.difference),
        ticks=scale.ticks,
        alternative=f"Difference of the scores {score_text(found.difference)}, paired 95% interval {interval}",
    )
