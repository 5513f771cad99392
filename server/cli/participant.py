"""Participants' commands over HTTP: list competitions, submit, follow, select."""

import json
import shlex
from pathlib import Path
from typing import Annotated

import typer

from lethe.evaluator.contract.phrases import count_text
from lethe.evaluator.contract.states import Evaluation, SubmissionState
from lethe.server.cli.characters import echo
from lethe.server.cli.columns import short_id
from lethe.server.cli.descriptions import (
    describe_competition,
    describe_log,
    describe_quota,
    describe_receipt,
    describe_submission,
)
from lethe.server.cli.interrupts import on_interrupt
from lethe.server.cli.options import Json, Server, Slug, SubmissionId, Token, print_json, require_unwritten, say
from lethe.server.cli.tables import print_competitions, print_leaderboard, print_submissions
from lethe.server.cli.watch import wait_for
from lethe.server.client import Client, connect
from lethe.server.client.errors import ApiError
from lethe.server.submissions.schemas import SubmissionView

Watch = Annotated[bool, typer.Option("--watch", help="Follow it until it has ended")]
Method = Annotated[str | None, typer.Option("--method", help="The method's name, for the board if the host shows it")]
Note = Annotated[str | None, typer.Option("--note", help="One line for your team and the host")]
TERMS_NOT_ACCEPTED = "terms_not_accepted"
Link = Annotated[str | None, typer.Option("--link", help="Paper or code, for the board: an http or https address")]


def competitions(
    slug: Annotated[str | None, typer.Argument(help="One competition's slug: its rules, limits and dates")] = None,
    server: Server = None,
    as_json: Json = False,
) -> None:
    """List the competitions of a server, or describe one with its announcements."""
    with connect(server) as client:
        if slug is None:
            rows = client.competitions()
            if as_json:
                print_json(*rows, as_list=True)
            else:
                print_competitions(rows)
            return
        facts, news = client.competition(slug), client.announcements(slug)
    if as_json:
        document = facts.model_dump(mode="json") | {"announcements": [one.model_dump(mode="json") for one in news]}
        typer.echo(json.dumps(document))
    else:
        echo(describe_competition(facts, news))


def submit(
    file: Annotated[
        Path, typer.Argument(help="Python file or notebook with unlearning(net, retain, forget, validation)")
    ],
    competition: Annotated[str, typer.Option("-c", "--competition", help="The competition's slug")],
    method: Method = None,
    note: Note = None,
    link: Link = None,
    accept_terms: Annotated[
        bool, typer.Option("--accept-terms", help="Accept the competition's terms unasked")
    ] = False,
    watch: Watch = False,
    server: Server = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Upload a submission. Where the competition has terms, it shows them before your first one, and asks."""
    with connect(server, token) as client:
        try:
            answer = client.submit(competition, file, method=method, note=note, link=link)
        except ApiError as error:
            if error.code != TERMS_NOT_ACCEPTED:
                raise
            _accept_terms(client, competition, is_asked=not accept_terms)
            answer = client.submit(competition, file, method=method, note=note, link=link)
        if not as_json:
            typer.echo(f"{answer.id}  {describe_quota(answer.quota)}", err=True)
        view = _watched(client, answer, quiet=as_json) if watch else answer
    _show(view, as_json)


def status(
    submission: SubmissionId,
    watch: Watch = False,
    server: Server = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Show the state of one of your submissions, and the output of its check stage if it failed there."""
    with connect(server, token) as client:
        view = client.submission(client.find_submission(submission))
        view = _watched(client, view, quiet=as_json) if watch else view
        log = client.log(view.id)
    if as_json:
        typer.echo(json.dumps(view.model_dump(mode="json") | {"log": log.model_dump(mode="json")}))
        return
    echo(describe_submission(view))
    if text := describe_log(log, with_output=view.error is not None):
        echo(text)


def submissions(competition: Slug, server: Server = None, token: Token = None, as_json: Json = False) -> None:
    """List your team's submissions, newest first, and what is left of your quota."""
    with connect(server, token) as client:
        found, quota = list(client.submissions(competition)), client.quota(competition)
    if as_json:
        document = {"quota": quota.model_dump(mode="json"), "items": [one.model_dump(mode="json") for one in found]}
        typer.echo(json.dumps(document))
        return
    print_submissions(found)
    typer.echo(describe_quota(quota))


def cancel(
    submission: SubmissionId,
    server: Server = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Cancel one of your submissions before it is scored; it still counts against the quota."""
    with connect(server, token) as client:
        view = client.cancel(client.find_submission(submission))
    _show(view, as_json)


def select(
    submission: SubmissionId,
    undo: Annotated[bool, typer.Option("--undo", help="Undo the selection")] = False,
    server: Server = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Select one of your submissions for the final evaluation. Without a selection your best scores count."""
    with connect(server, token) as client:
        view = client.select(client.find_submission(submission), undo=undo)
    _show(view, as_json)


def complete(
    submission: SubmissionId,
    server: Server = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Let one of your submissions that was stopped early run whole; a team may do so once a day."""
    with connect(server, token) as client:
        view = client.complete(client.find_submission(submission))
    _show(view, as_json)


def describe(
    submission: SubmissionId,
    method: Method = None,
    note: Note = None,
    link: Link = None,
    server: Server = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Change method, note or link of one of your submissions, until the reveal; an empty text deletes it."""
    changes = {name: text for name, text in (("method", method), ("note", note), ("link", link)) if text is not None}
    if not changes:
        raise typer.BadParameter("say what to change: --method, --note or --link")
    with connect(server, token) as client:
        view = client.describe(client.find_submission(submission), **changes)
    _show(view, as_json)


def publish(
    submission: SubmissionId,
    licence: Annotated[str | None, typer.Option("--licence", help="SPDX identifier, such as MIT or Apache-2.0")] = None,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Show the source to nobody else any more")] = False,
    server: Server = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Publish the source of one of your scored submissions after the reveal, under a licence that you choose."""
    if withdraw == (licence is not None):
        raise typer.BadParameter("give either --licence or --withdraw")
    with connect(server, token) as client:
        view = client.publish(client.find_submission(submission), licence)
    _show(view, as_json)


def receipt(submission: SubmissionId, server: Server = None, token: Token = None, as_json: Json = False) -> None:
    """Show what a score depends on: versions, sandbox and digests. Digests of hidden things are keyed marks."""
    with connect(server, token) as client:
        found = client.receipt(client.find_submission(submission))
    if as_json:
        print_json(found)
    else:
        echo(describe_receipt(found))


def evidence(
    submission: SubmissionId,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="A new file; by default ID.npz in this folder")
    ] = None,
    view: Annotated[Evaluation, typer.Option("--view", help="Of which evaluation")] = Evaluation.PUBLIC,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file")] = False,
    server: Server = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Download the margins behind a score of yours, which lethe score computes again, if the host shows them.

    They are shown after the reveal, where the competition's page says that teams get their outputs.
    """
    with connect(server, token) as client:
        submission_id = client.find_submission(submission)
        file = Path(f"{submission_id}.npz") if output is None else output
        require_unwritten(file, force=force)
        client.evidence(submission_id, file, view=view)
    size = file.stat().st_size
    document = {"submission": str(submission_id), "view": view.value, "file": str(file), "bytes": size}
    say(document, f"{file} is written, {size:,} bytes. Next: lethe score {shlex.quote(str(file))}", as_json)


def leaderboard(
    competition: Slug,
    view: Annotated[
        Evaluation,
        typer.Option(
            "--view", help="The final board exists after the reveal; benchmark is that of uploads after the end"
        ),
    ] = Evaluation.PUBLIC,
    offset: Annotated[int, typer.Option("--offset", min=0, help="Teams to skip")] = 0,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print the whole board as CSV")] = False,
    server: Server = None,
    as_json: Json = False,
) -> None:
    """Show the leaderboard of a competition."""
    with connect(server) as client:
        if as_csv:
            typer.echo(client.leaderboard_csv(competition, view), nl=False)
            return
        board = client.leaderboard(competition, view, offset=offset)
    if as_json:
        print_json(board)
        return
    print_leaderboard(board)
    if board.next_offset is not None:
        typer.echo(f"{count_text(board.teams, 'team')} in all; the next ones: --offset {board.next_offset}", err=True)


def _accept_terms(client: Client, slug: str, *, is_asked: bool) -> None:
    terms = client.competition(slug).terms
    if terms is None:  # withdrawn meanwhile
        return
    echo(f"Terms of {slug}:\n\n{terms.text.strip()}\n", err=True)
    if is_asked:
        typer.confirm("Do you accept them?", abort=True, err=True)
    client.accept_terms(slug, terms.sha256)


def _watched(client: Client, view: SubmissionView, *, quiet: bool) -> SubmissionView:
    with on_interrupt(f"The evaluation goes on. To follow it again: lethe status {short_id(view.id)} --watch"):
        return wait_for(client, view.id, quiet=quiet)


def _show(view: SubmissionView, as_json: bool) -> None:
    if as_json:
        print_json(view)
    else:
        echo(describe_submission(view))
    if view.state == SubmissionState.FAILED:
        raise typer.Exit(1)
