"""The top of a board as a page for the frames of other sites, and the snippet that puts it there."""

from dataclasses import dataclass
from html import escape

from lethe.evaluator.contract.states import Evaluation
from lethe.server.leaderboard.board_page import BoardPage
from lethe.server.models import Competition
from lethe.server.pages.board import Board, Head, board, plain_heads
from lethe.server.pages.rendering import SECURITY_HEADERS

MEDIA_TYPE = "text/html"
TOP_ROWS = 10
# The only page that other sites may frame: it knows no session and has no form or script.
EMBED_POLICY = {
    **SECURITY_HEADERS,
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'none'; "
    "base-uri 'none'; frame-ancestors *",
}


@dataclass(frozen=True)
class EmbedPage:
    """The best teams of one competition; `is_final`: after the reveal."""

    slug: str
    title: str
    board: Board
    heads: dict[str, Head]
    is_final: bool


def embed_page(competition: Competition, source: BoardPage, evaluation: Evaluation) -> EmbedPage:
    """Return the page of `source`, the top of the board of `evaluation`."""
    return EmbedPage(
        slug=competition.slug,
        title=competition.title,
        board=board(source),
        heads=plain_heads(),
        is_final=evaluation is Evaluation.FINAL,
    )


def embed_snippet(competition: Competition, site: str) -> str:
    """Return the HTML that shows the page on another site."""
    address, title = f"{site}/competitions/{competition.slug}/embed", f"Leaderboard of {competition.title}"
    return f'<iframe src="{escape(address)}" title="{escape(title)}" width="100%" height="720" loading="lazy"></iframe>'
