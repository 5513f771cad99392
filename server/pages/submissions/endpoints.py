"""Routes of a team's submissions: the list with its history, and two of them side by side."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from limits import parse
from sqlalchemy.orm import Session

from lethe.evaluator.contract.states import Evaluation
from lethe.server.competitions import phases
from lethe.server.competitions import service as competitions
from lethe.server.context import AppContext, Context
from lethe.server.http.rate_limit import TooManyRequests
from lethe.server.leaderboard import service as leaderboards
from lethe.server.models import Competition
from lethe.server.pages.card import card
from lethe.server.pages.forms import FULL, notice, redirect_to_login
from lethe.server.pages.rendering import render_page
from lethe.server.pages.submissions.compare import compare_page
from lethe.server.pages.submissions.difference import Difference, difference
from lethe.server.pages.submissions.view import SHOWN, FullSelections, full_selections, submissions_page
from lethe.server.security.sessions import OptionalVisitor, Visitor
from lethe.server.submissions import comparisons, parser_pool, queries
from lethe.server.submissions import service as submissions
from lethe.server.submissions.improvement import improvements_of_team, scored_submissions
from lethe.server.submissions.schemas import ComparisonView
from lethe.server.submissions.views import view_all
from lethe.server.teams.service import find_team

router = APIRouter(include_in_schema=False)

DIFFERENCES = parse("600/hour")
UNIT_S = 0.1
"""Differences of sources count by the processor time that they take, in tenths of a second."""
TIRED = "You have compared many large files in the last hour. Try again later, or compare them with `lethe diff`."


@router.get("/competitions/{slug}/submissions")
def list_submissions(
    slug: str,
    request: Request,
    context: AppContext,
    visitor: OptionalVisitor,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> Response:
    """Show my team's submissions, newest first."""
    if visitor is None:
        return redirect_to_login(request)
    with context.database.read() as session:
        competition = competitions.get_competition(session, slug)
        team = find_team(session, competition, visitor.user)
        limit = competitions.specification(competition).evaluation.final_selections
        found, older = submissions.list_own(session, competition, visitor.user, cursor=cursor, limit=SHOWN)
        scored = () if team is None else scored_submissions(session, team.id)
        chosen = 0 if team is None else queries.count_selected.rows(session, team_id=team.id).scalar_one()
        can_select = team is not None and phases.may_choose(competition)
        shown = submissions_page(
            card(competitions.row(session, competition)),
            view_all(session, found, known=improvements_of_team(session, scored, {one.id for one in found})),
            scored,
            leaderboards.reference_rows(session, competition, Evaluation.PUBLIC),
            notice=notice(request),
            full=_full(session, request, competition, visitor) if can_select else None,
            selection=f"{chosen} of {limit}" if can_select else "",
            cursor=cursor,
            older=older,
        )
    return render_page(request, "submissions/submissions.html", shown, visitor)


@router.get("/competitions/{slug}/submissions/compare")
def compare(
    slug: str,
    request: Request,
    context: AppContext,
    visitor: OptionalVisitor,
    a: Annotated[UUID | None, Query()] = None,
    b: Annotated[UUID | None, Query()] = None,
) -> Response:
    """Show two of my team's scored submissions side by side, or a choice of them."""
    if visitor is None:
        return redirect_to_login(request)
    with context.database.read() as session:
        competition = competitions.get_competition(session, slug)
        team = find_team(session, competition, visitor.user)
        shown = card(competitions.row(session, competition))
        scored = () if team is None else scored_submissions(session, team.id)
    ids = {one.submission_id for one in scored}
    problem, comparison, sources = "", None, None
    if a is not None and b is not None:
        if a == b:
            problem = "Choose two different submissions."
        elif not {a, b} <= ids:
            problem = "Only submissions of your team with a score can be compared."
        else:
            problem, comparison = _comparison(context, visitor, a, b)
            sources = _difference(context, visitor, a, b)
    elif len(scored) > 1:
        a, b = scored[-2].submission_id, scored[-1].submission_id  # the form's first choice
    page = compare_page(
        shown,
        scored,
        before=str(a or ""),
        after=str(b or ""),
        problem=problem,
        comparison=comparison,
        difference=sources,
    )
    return render_page(request, "submissions/compare.html", page, visitor, cacheable=False)


def _full(session: Session, request: Request, competition: Competition, visitor: Visitor) -> FullSelections | None:
    """Return what the address says cannot be selected, as long as that is so."""
    try:
        wanted = UUID(request.query_params.get(FULL, ""))
    except ValueError:
        return None
    found = queries.find_own(session, wanted, visitor.user)
    if found is None or found.competition_id != competition.id:
        return None
    return full_selections(session, found, competitions.specification(competition).evaluation.final_selections)


def _comparison(context: Context, visitor: Visitor, before: UUID, after: UUID) -> tuple[str, ComparisonView | None]:
    try:
        return "", comparisons.compare_own(context, visitor.user, before, after)
    except TooManyRequests as error:
        return str(error), None


def _difference(context: Context, visitor: Visitor, before: UUID, after: UUID) -> Difference:
    """Return how the sources differ, unless the account has had its hour's processor time of that."""
    account = visitor.user.id.hex
    if context.rates.wait_s(DIFFERENCES, "difference", account) is not None:
        return Difference((), 0, 0, TIRED)
    with context.database.read() as session:
        keys = [submissions.get_own(session, one, visitor.user).source_key for one in (before, after)]
    with parser_pool.measured() as spent:
        found = difference(*(context.artifacts.get(key) for key in keys))
    for _ in range(int(spent.cpu_s / UNIT_S)):
        context.rates.wait_s(DIFFERENCES, "difference", account)
    return found
