"""Markdown that hosts have written, as HTML: CommonMark without HTML of their own and without images."""

from functools import cache, lru_cache

import nh3
from markdown_it import MarkdownIt
from markupsafe import Markup

from lethe.server.http.outward_links import is_link

TAGS = {
    *("p", "br", "hr", "em", "strong", "s", "code", "pre", "blockquote", "a", "ul", "ol", "li"),
    *("h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td"),
}
TOP_LEVEL = 3
"""Of headings: `#` is one of them, because the page's own stand above."""
TEXTS_KEPT = 256


@lru_cache(TEXTS_KEPT)
def markdown(text: str, top_level: int = TOP_LEVEL) -> Markup:
    """Return the HTML of a text. HTML in it is text, bare addresses are links, and every link leads to http(s) or mail.

    It is made by a parser that passes no HTML, and cleaned by one that knows nothing of it.
    """
    tokens = _parser().parse(text)
    for token in tokens:
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(6, int(token.tag[1]) + top_level - 1)}"
    made = _parser().renderer.render(tokens, _parser().options, {})
    cleaned = nh3.clean(
        made,
        tags=TAGS,
        attributes={"a": {"href"}, "ol": {"start"}},
        attribute_filter=_attribute,
        url_schemes={"http", "https", "mailto"},
        url_relative="deny",
        link_rel="nofollow noopener",
    )
    return Markup(cleaned)  # noqa: S704 - it has been cleaned


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "linkify": True}).enable(["table", "strikethrough", "linkify"])
    assert parser.linkify is not None  # noqa: S101 - it is installed
    parser.linkify.set({"fuzzy_link": False, "fuzzy_email": True})
    return parser.disable("image")


def _attribute(_tag: str, name: str, value: str) -> str | None:
    return value if name != "href" or value.startswith("mailto:") or is_link(value) else None
