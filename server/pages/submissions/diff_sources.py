"""Finds the lines in which two untrusted sources differ; a parser process runs it in an isolated child.

Standard library only and no project import, as for parse_source.py.
"""

import difflib


def run(data: bytes, order: dict[str, int]) -> dict[str, object]:
    """Return `{"steps"}`: the edit script of difflib, lists of [tag, from, to, from, to] of lines.

    `data` is the first source, `order["first_bytes"]` long, and then the second one.
    """
    first = order["first_bytes"]
    before, after = (part.decode("utf-8-sig").split("\n") for part in (data[:first], data[first:]))
    return {"steps": difflib.SequenceMatcher(None, before, after).get_opcodes()}
