"""Routes of what other sites and programs read of a competition: feed, BibTeX, badges and a board for frames."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from lethe.evaluator.artifacts.store import sha256_hex
from lethe.server.competitions import service as competitions
from lethe.server.competitions.phases import shown_first
from lethe.server.competitions.queries import announcements
from lethe.server.context import AppContext
from lethe.server.errors import NotFound
from lethe.server.http.sub_path import root_path, site_url
from lethe.server.leaderboard.board_page import board_page, own_row
from lethe.server.leaderboard.queries import BoardQuery, board_extent, find_ranked_team
from lethe.server.leaderboard.service import get_calendar
from lethe.server.models import Competition
from lethe.server.pages.pictures import PICTURE_POLICY
from lethe.server.pages.rendering import SECURITY_HEADERS, client_has, render
from lethe.server.pages.sharing import badge, citation, embed, feed
from lethe.server.security.sessions import RequiredVisitor
from lethe.server.submissions import service as submissions
from lethe.server.submissions.short_ids import IdText, resolve
from lethe.server.submissions.views import view as submission_view

router = APIRouter(include_in_schema=False)

BADGE_CACHED = "public, max-age=300"
EMBED_CACHED = "public, max-age=60"


@router.get("/competitions/{slug}/feed.atom")
def atom_feed(slug: str, request: Request, context: AppContext) -> Response:
    """Return announcements and the first place, for feed readers."""
    with context.database.read() as session:
        competition = get_calendar(session, slug)
        evaluation = shown_first(competition)
        content = feed.competition_feed(
            competition,
            announcements(session, competition),
            board_page(session, competition, BoardQuery(evaluation, size=1)),
            evaluation,
            f"{site_url(request)}/competitions/{slug}",
        )
    return _answer(request, content, feed.MEDIA_TYPE)


@router.get("/competitions/{slug}/citation.bib")
def cite_competition(slug: str, request: Request, context: AppContext) -> Response:
    """Return how the competition is cited."""
    with context.database.read() as session:
        facts = competitions.facts(session, competitions.get_competition(session, slug))
    entry = citation.competition_bibtex(facts, site_url(request))
    return _answer(request, entry.encode(), citation.MEDIA_TYPE)


@router.get("/submissions/{submission_id}/citation.bib")
def cite_submission(submission_id: IdText, request: Request, context: AppContext, visitor: RequiredVisitor) -> Response:
    """Return how one of my team's submissions, or one of a competition that I host, is cited after the reveal."""
    with context.database.read() as session:
        found, viewer = submissions.get_shown(session, resolve(session, visitor.user, submission_id), visitor.user)
        competition = session.get_one(Competition, found.competition_id)
        if not citation.is_citable(competition, found):
            raise NotFound("After the reveal there is BibTeX for each submission with a score.")
        entry = citation.submission_bibtex(
            submission_view(session, found, viewer), competition.title, site_url(request)
        )
    policy = {**SECURITY_HEADERS, "Vary": "Cookie"}
    return _answer(request, entry.encode(), citation.MEDIA_TYPE, cached="private, no-cache", policy=policy)


@router.get("/competitions/{slug}/badge.svg")
def rank_badge(
    slug: str, request: Request, context: AppContext, team: Annotated[str, Query(max_length=200)] = ""
) -> Response:
    """Return a team's rank as a picture; with 404 one that says that no such team has a rank."""
    with context.database.read() as session:
        competition = get_calendar(session, slug)
        evaluation = shown_first(competition)
        found = find_ranked_team(session, competition.id, evaluation, team)
        row = None if found is None else own_row(session, competition, found, evaluation)
        teams = board_extent.rows(session, competition_id=competition.id, evaluation=evaluation).one().teams
    if row is None or row.line.rank is None:
        return _answer(
            request, badge.no_rank_badge(slug), badge.MEDIA_TYPE, cached=BADGE_CACHED, status=404, policy=PICTURE_POLICY
        )
    picture = badge.rank_badge(slug, row.line.team, row.line.rank, teams)
    return _answer(request, picture, badge.MEDIA_TYPE, cached=BADGE_CACHED, policy=PICTURE_POLICY)


@router.get("/competitions/{slug}/embed")
def embedded_board(slug: str, request: Request, context: AppContext) -> Response:
    """Show the top of the board, the same for everybody, in frames of any site."""
    with context.database.read() as session:
        competition = get_calendar(session, slug)
        evaluation = shown_first(competition)
        top = board_page(session, competition, BoardQuery(evaluation, size=embed.TOP_ROWS))
        page = embed.embed_page(competition, top, evaluation)
    content = render(root_path(request), "sharing/embed.html", view=page).encode()
    return _answer(request, content, embed.MEDIA_TYPE, cached=EMBED_CACHED, policy=embed.EMBED_POLICY)


def _answer(
    request: Request,
    content: bytes,
    media_type: str,
    *,
    cached: str = "no-cache",
    status: int = 200,
    policy: Mapping[str, str] = SECURITY_HEADERS,
) -> Response:
    """Return `content` with its entity tag, or 304 to whoever has it; the same for everybody."""
    tag = f'"{sha256_hex(content)[:32]}"'
    headers = {**policy, "ETag": tag, "Cache-Control": cached}
    if status == 200 and client_has(request, tag):
        return Response(status_code=304, headers=headers)
    return Response(content, status_code=status, media_type=media_type, headers=headers)
