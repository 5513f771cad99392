"""REST: the leaderboard as JSON and CSV, with an ETag."""

import hashlib
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query, Response

from server.competitions.service import get_competition
from server.context import AppContext
from server.errors import NotFound
from server.leaderboard import service
from server.leaderboard.schemas import Leaderboard

router = APIRouter(tags=["leaderboard"])


class FinalNotRevealed(NotFound):
    """The final board exists only after the host's reveal."""

    code = "final_not_revealed"
    title = "Final board not revealed"


@router.get(
    "/competitions/{slug}/leaderboard",
    response_model=Leaderboard,
    responses={
        200: {"content": {"text/csv": {"schema": {"type": "string"}}}},
        304: {"description": "Unchanged since the ETag sent in If-None-Match"},
    },
)
def get_leaderboard(
    slug: str,
    context: AppContext,
    view: Annotated[Literal["public", "final"], Query()] = "public",
    format: Annotated[Literal["json", "csv"], Query()] = "json",  # noqa: A002 - the contract's name
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """Rank, team, score and its 95% interval; teams that are not significantly apart share a rank."""
    with context.database.read() as session:
        competition = get_competition(session, slug)
        if view == "final":
            raise FinalNotRevealed("The final board is shown after the host reveals it. Ask for view=public.")
        board = service.leaderboard(session, competition)
    if format == "csv":
        body, media_type = service.as_csv(board), "text/csv; charset=utf-8"
    else:
        body, media_type = board.model_dump_json(), "application/json"
    etag = f'"{hashlib.sha256(body.encode()).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": "no-cache"}
    if if_none_match is not None and etag in {part.strip().removeprefix("W/") for part in if_none_match.split(",")}:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=media_type, headers=headers)
