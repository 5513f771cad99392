"""Comparison of entity tags (RFC 9110, section 13.1.2)."""


def etag_matches(if_none_match: str, tag: str) -> bool:
    """Whether the list in an If-None-Match header includes `tag`, by weak comparison; an empty header does not."""
    return tag.removeprefix("W/") in {part.strip().removeprefix("W/") for part in if_none_match.split(",")}
