"""`lethe diff`: two of your submissions side by side, sources and scores."""

import difflib
import json
from typing import Annotated

import typer

from lethe.server.cli.characters import echo
from lethe.server.cli.descriptions import describe_comparison
from lethe.server.cli.options import Json, Server, Token
from lethe.server.client import ApiError, Client, connect
from lethe.server.submissions.schemas import ComparisonView, SubmissionView

Before = Annotated[str, typer.Argument(metavar="A", help="The earlier submission's id, or its first 8 digits or more")]
After = Annotated[str, typer.Argument(metavar="B", help="The later one's")]


def diff(before: Before, after: After, server: Server = None, token: Token = None, as_json: Json = False) -> None:
    """Compare two of your submissions: whether B is better than A, and the unified diff of their sources."""
    with connect(server, token) as client:
        ids = [client.find_submission(text) for text in (before, after)]
        old, new = (client.submission(one) for one in ids)
        problem = ""
        try:
            found = client.compare(*ids)
        except ApiError as error:
            if error.code != "rate_limited":
                raise
            found, problem = None, str(error)
        text = _unified(client, old, new)
    if as_json:
        document = {} if found is None else found.model_dump(mode="json")
        typer.echo(json.dumps(document | {"diff": text, "problem": problem or None}))
        return
    echo(_outcome(old, new, found) or f"No verdict: {problem}")
    echo(text, nl=False)


def _outcome(old: SubmissionView, new: SubmissionView, found: ComparisonView | None) -> str:
    return "" if found is None else describe_comparison(old, new, found)


def _unified(client: Client, old: SubmissionView, new: SubmissionView) -> str:
    """Return the unified diff of the sources, each line ended; empty if they are equal."""
    left, right = (client.source(one.id).decode("utf-8-sig", errors="replace").splitlines() for one in (old, new))
    before, after = (f"{str(one.id)[:8]}/{one.filename}" for one in (old, new))
    return "".join(f"{line}\n" for line in difflib.unified_diff(left, right, before, after, lineterm=""))
