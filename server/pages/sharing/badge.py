"""A team's rank as a badge: an SVG of 20 pixels in height, for README files and web pages."""

from xml.etree.ElementTree import Element, SubElement, tostring

from lethe.server.plain_text import one_line

MEDIA_TYPE = "image/svg+xml"
HEIGHT = 20
_CHARACTER, _PADDING = 6.6, 7
"""Pixels; `textLength` fits each text into its width, whatever font a browser has."""
_LABEL, _RANK, _NO_RANK = "#37474f", "#11606d", "#5f6b70"
"""Colours; white on each of them has a contrast of more than 5 to 1."""


def rank_badge(slug: str, team: str, rank: int, teams: int) -> bytes:
    """Return the badge of a ranked team: the competition's slug, and `rank 3 of 41`."""
    text = f"rank {rank:,} of {teams:,}"
    return _badge(slug, text, f"{slug}: {team} has {text}", _RANK)


def no_rank_badge(slug: str) -> bytes:
    """Return the badge for a name that has no rank on the board."""
    return _badge(slug, "no rank", f"{slug}: no team of this name has a rank", _NO_RANK)


def _badge(label: str, value: str, title: str, colour: str) -> bytes:
    left, right = (round(len(text) * _CHARACTER) + 2 * _PADDING for text in (label, value))
    title = one_line(title)
    size = {"width": str(left + right), "height": str(HEIGHT), "viewBox": f"0 0 {left + right} {HEIGHT}"}
    svg = Element("svg", {"xmlns": "http://www.w3.org/2000/svg", **size, "role": "img", "aria-label": title})
    SubElement(svg, "title").text = title
    font = {"font-family": "Verdana, DejaVu Sans, sans-serif", "font-size": "11", "fill": "#fff"}
    SubElement(svg, "rect", {"width": str(left + right), "height": str(HEIGHT), "rx": "3", "fill": _LABEL})
    edge = f"M{left} 0h{right - 3}a3 3 0 0 1 3 3v{HEIGHT - 6}a3 3 0 0 1-3 3h-{right - 3}z"
    SubElement(svg, "path", {"d": edge, "fill": colour})
    for text, start, width in ((label, 0, left), (value, left, right)):
        place = {"x": str(start + _PADDING), "y": "14", "textLength": str(width - 2 * _PADDING)}
        SubElement(
            svg, "text", {**font, **place, "lengthAdjust": "spacingAndGlyphs", "aria-hidden": "true"}
        ).text = text
    content: bytes = tostring(svg, encoding="utf-8")
    return content
