"""What an If-None-Match says (RFC 9110, section 13.1.2)."""


def etag_matches(if_none_match: str, tag: str) -> bool:
    """Whether the header's list of entity tags has `tag`, by weak comparison; an empty header has none."""
    return tag.removeprefix("W/") in {part.strip().removeprefix("W/") for part in if_none_match.split(",")}
