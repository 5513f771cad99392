"""`lethe admin competition`: create a competition and lead it through its phases."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.console import Console

from lethe.evaluator.contract.phrases import count_text
from lethe.evaluator.contract.states import Evaluation
from lethe.server.cli.characters import echo
from lethe.server.cli.columns import SHORTEST_NAME, Column, print_table, short_id
from lethe.server.cli.interrupts import on_interrupt
from lethe.server.cli.options import (
    DataFolder,
    Home,
    Jobs,
    Json,
    Slug,
    Yes,
    make_settings,
    open_site,
    print_json,
    say,
    writing,
)
from lethe.server.cli.progress import counting_progress, training_progress

if TYPE_CHECKING:
    from lethe.server.hosting.finals import Plan, Progress
    from lethe.server.hosting.recheck import Rechecked
    from lethe.server.models import Competition

WATCH_S = 2.0
SHOWN_CHARS = 60  # of a value
Seen = TypeVar("Seen")

app = typer.Typer(no_args_is_help=True, help="Create competitions and lead them through their phases.")


@app.command("create")
def create_competition(
    specification: Annotated[Path, typer.Argument(help="TOML file, or the name of a shipped one such as demo")],
    home: Home = None,
    data: DataFolder = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Skip unusable files instead of stopping")] = False,
    report: Annotated[
        Path | None,
        typer.Option("--report", help="Write an HTML report of the data, with hidden photographs, also if refused"),
    ] = None,
    jobs: Jobs = None,
    as_json: Json = False,
) -> None:
    """Create or read the data and train the original models; the competition starts as a draft.

    Training starts only when the data are complete and split. Seeds that the file leaves out are drawn, and stored in
    the database only. Warnings of the data are printed before that, and are in the report.
    """
    from lethe.evaluator.contract.specification_file import load_specification
    from lethe.evaluator.data.sources import Files
    from lethe.evaluator.data.sources.files import by_reason
    from lethe.evaluator.errors import EvaluatorError
    from lethe.server.cli.data_look import DataLook
    from lethe.server.hosting import creation

    context = open_site(home, makes_one=True)
    spec = load_specification(specification)
    files = Files(
        folder=data,
        beside=specification.parent,
        skip_bad=skip_bad,
        max_pixels=context.settings.photograph_pixels,
    )
    looking = DataLook(spec, report)
    try:
        with (
            on_interrupt("There is no competition yet. To begin again, repeat the command."),
            training_progress() as progress,
        ):
            created = creation.create(context, spec, files=files, jobs=jobs, progress=progress, look=looking.look)
    except EvaluatorError as error:
        looking.refused(error)
        raise
    for line in by_reason(files.skipped):
        echo(f"skipped {line}", err=True)
    warnings = looking.finish(created)
    if as_json:
        document = created.prepared.model_dump(mode="json")
        typer.echo(json.dumps(document | {"warnings": [one.model_dump(mode="json") for one in warnings]}))
        return
    typer.echo(creation.describe(created))


@app.command("cost")
def estimate_cost(
    specification: Annotated[Path, typer.Argument(help="TOML file, or the name of a shipped one such as demo")],
    home: Home = None,
    data: DataFolder = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Skip unusable files instead of stopping")] = False,
    teams: Annotated[int, typer.Option("--teams", min=1, help="Teams of the season")] = 200,
    per_day: Annotated[float, typer.Option("--submissions-per-day", min=0, help="Of a team")] = 5,
    days: Annotated[int, typer.Option("--days", min=1, help="Days of the season")] = 60,
    gpus: Annotated[int, typer.Option("--gpus", min=1, help="Machines that work at a time")] = 4,
    model_s: Annotated[
        float | None, typer.Option("--model-seconds", min=0, help="Seconds of a model; default: measured here")
    ] = None,
    run_s: Annotated[
        float | None, typer.Option("--run-seconds", min=0, help="Seconds of a run; default: an epoch, measured here")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what a competition will cost in hours, storage and memory, before anything is trained.

    Reads and splits the data, and times a few batches on this machine. Nothing is stored.
    """
    from lethe.evaluator.contract.specification_file import load_specification
    from lethe.evaluator.data.sources import Files
    from lethe.evaluator.data.sources.files import by_reason
    from lethe.evaluator.task_preparation import survey_tasks
    from lethe.server.hosting import cost

    spec = load_specification(specification).with_seeds(lambda: 0)
    pixels = make_settings(home=home).photograph_pixels
    files = Files(folder=data, beside=specification.parent, skip_bad=skip_bad, max_pixels=pixels)
    found = survey_tasks(spec, files)
    for line in by_reason(files.skipped):
        echo(f"skipped {line}", err=True)
    season = cost.Season(teams, per_day, days, gpus)
    sizes = [
        cost.TaskSize(
            counts=one.splits["public"],
            model_s=one.model_s if model_s is None else model_s,
            run_s=one.run_s if run_s is None else run_s,
            bank_bytes=one.bank_bytes,
        )
        for one in found
    ]
    result = cost.estimate(spec, sizes, season)
    if as_json:
        typer.echo(json.dumps(result.document()))
        return
    typer.echo(cost.describe(result, season, has_looks=bool(spec.evaluation.looks)))


@app.command("open")
def open_competition(slug: Slug, home: Home = None, as_json: Json = False) -> None:
    """Publish a competition, which accepts uploads in its public phase. Also ends a pause or an early close."""
    from lethe.server.hosting import creation

    competition = creation.open_competition(open_site(home), slug)
    _say_state(competition, as_json)


@app.command("pause")
def pause_competition(slug: Slug, home: Home = None, as_json: Json = False) -> None:
    """Refuse uploads until the competition is opened again. The queue is still evaluated, and the calendar goes on."""
    from lethe.server.hosting import actions

    with writing(home) as session:
        _say_state(actions.pause(session, slug), as_json)


@app.command("extend")
def extend_competition(
    slug: Slug,
    until: Annotated[str, typer.Option("--until", help="New end, ISO 8601 with offset: 2026-04-01T00:00:00+02:00")],
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Move the end of uploads, even after it has passed, until the final evaluation begins."""
    from lethe.server.hosting import actions

    end = parse_time(until)
    with writing(home) as session:
        _say_state(actions.extend(session, slug, end), as_json)


@app.command("close")
def close_competition(slug: Slug, home: Home = None, as_json: Json = False) -> None:
    """End uploads and freeze selections; the queue is still evaluated. `open` reopens the competition."""
    from lethe.server.hosting import actions

    with writing(home) as session:
        _say_state(actions.close(session, slug), as_json)


@app.command("announce")
def announce(
    slug: Slug,
    title: Annotated[str, typer.Argument(help="One line")],
    body: Annotated[str, typer.Argument(help="Plain text; paragraphs are separated by empty lines")] = "",
    yes: Yes = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Publish an announcement to everybody. It cannot be withdrawn."""
    from lethe.server.hosting import actions

    if not 1 <= len(title.strip()) <= actions.TITLE_CHARS or len(body) > actions.BODY_CHARS:
        raise typer.BadParameter(
            f"a title has 1 to {actions.TITLE_CHARS} characters, a text {actions.BODY_CHARS:,} at most"
        )
    context = open_site(home)
    if not yes:
        typer.confirm(
            f"Announce {title.strip()!r} to everybody in {slug}? It cannot be withdrawn.", abort=True, err=True
        )
    with context.database.write() as session:
        made = actions.announce(session, slug, title=title.strip(), body=body.strip())
    if as_json:
        typer.echo(json.dumps({"competition": slug, "title": made.title, "created_at": made.created_at.isoformat()}))
        return
    echo(f"Announced in {slug}.")


def parse_time(text: str) -> datetime:
    """Parse an ISO 8601 time; a time without an offset is a usage error."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not an ISO 8601 time such as 2026-04-01T00:00:00+02:00") from error
    if moment.tzinfo is None:
        raise typer.BadParameter(f"{text!r} has no time zone: add an offset such as +02:00, or Z")
    return moment


def _say_state(competition: "Competition", as_json: bool) -> None:
    from lethe.server.competitions.phases import describe, ends_at, is_benchmark, phase

    if not as_json:
        echo(describe(competition))
        return
    end = ends_at(competition)
    document = {
        "competition": competition.slug,
        "phase": phase(competition).value,
        "uploads_end_at": None if end is None else end.isoformat(),
        "benchmark": is_benchmark(competition),
    }
    typer.echo(json.dumps(document))


def _follow(found: Seen, look: Callable[[], Seen], count: Callable[[Seen], tuple[int, int]], command: str) -> Seen:
    """Show how many evaluations have ended, and of how many, until all have; return what `look` saw last."""
    with on_interrupt(f"The evaluations go on. To follow them again: {command}"):
        ended, total = count(found)
        with counting_progress("evaluated", total) as show:
            while ended < total:
                show(ended)
                time.sleep(WATCH_S)
                found = look()
                ended, total = count(found)
            show(total)
    return found


@app.command("recheck")
def recheck(
    slug: Slug,
    top: Annotated[int, typer.Option("--top", min=1, max=1000, help="How many of the leading submissions")] = 10,
    again: Annotated[bool, typer.Option("--again", help="Run them once more, with other seeds")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Follow them until all have ended")] = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Run the leading submissions of a closed competition again with fresh seeds; repeated, print what changed."""
    from lethe.server.hosting import recheck as rechecks

    context = open_site(home)
    with context.database.write() as session:
        found = rechecks.recheck(session, slug, top=top, again=again)
    context.wake.workers()
    if watch:

        def rechecked() -> "list[Rechecked]":
            with context.database.read() as session:
                return rechecks.rechecked(session, slug)

        command = f"lethe admin competition recheck {slug} --watch"
        found = _follow(found, rechecked, lambda all_: (sum(one.has_ended for one in all_), len(all_)), command)
    if as_json:
        rows = [
            asdict(one) | {"submission_id": str(one.submission_id), "has_dropped": one.has_dropped} for one in found
        ]
        typer.echo(json.dumps(rows))
        return
    if not found:
        typer.echo("No submission is scored, so there is nothing to run again.")
        return
    changes = ["" if one.change is None else "{:+.4f} to {:+.4f}".format(*one.change.interval) for one in found]
    columns = [
        Column("id", [short_id(one.submission_id) for one in found]),
        Column("team", [one.team for one in found], least=SHORTEST_NAME),
        Column("before", [f"{one.before:.4f}" for one in found], right=True),
        Column("after", ["" if one.after is None else f"{one.after:.4f}" for one in found], right=True),
        Column("change", changes, 1),
        Column("result", [_recheck_result(one) for one in found]),
    ]
    print_table(columns)
    waiting = sum(one.after is None for one in found)
    typer.echo(f"{sum(one.has_dropped for one in found)} dropped significantly, {waiting} are not scored yet.")


def _recheck_result(one: "Rechecked") -> str:
    if one.after is None:
        return one.state
    return "DROPPED" if one.has_dropped else ""


@app.command("finals")
def start_finals(
    slug: Slug,
    wait: Annotated[bool, typer.Option("--wait", help="Follow them until all have ended")] = False,
    yes: Yes = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Evaluate the selected submissions on the final split with unseen seeds; repeated, say how far that is.

    The competition must be closed.
    """
    from lethe.server.competitions.service import get_competition
    from lethe.server.hosting import creation, finals

    context = open_site(home)
    with context.database.read() as session:
        has_started = get_competition(session, slug).finals_started_at is not None
    if not has_started:
        plan = creation.plan_finals(context, slug)
        if not yes:
            typer.echo(_cost(plan), err=True)
            typer.confirm("Start? Uploads stay closed from then on.", abort=True, err=True)
    found = creation.start_finals(context, slug)
    if wait:

        def progress() -> "Progress":
            with context.database.read() as session:
                return finals.progress(session, get_competition(session, slug))

        command = f"lethe admin competition finals {slug} --wait"
        found = _follow(found, progress, lambda now: (now.total - now.unfinished, now.total), command)
    if as_json:
        typer.echo(json.dumps(asdict(found)))
        return
    typer.echo(f"{found.scored} of {found.total} final evaluations are scored, {found.failed} failed.")
    when = f", when {found.unfinished} more have ended" if found.unfinished else ""
    typer.echo(f"next{when}: lethe admin competition reveal {slug}")


@app.command("reveal")
def reveal(
    slug: Slug,
    unfinished: Annotated[bool, typer.Option("--unfinished", help="Even while final evaluations go on")] = False,
    yes: Yes = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Publish the final board and the metric, and print the board. It cannot be undone."""
    from lethe.server.cli.tables import print_leaderboard
    from lethe.server.hosting import finals
    from lethe.server.leaderboard import service

    context = open_site(home)
    if not yes:
        typer.confirm(
            f"Show the final board and the metric of {slug} to everybody? It cannot be undone.",
            abort=True,
            err=True,
        )
    with context.database.write() as session:
        finals.reveal(session, slug, unfinished=unfinished)
        board = service.leaderboard(session, service.get_calendar(session, slug), Evaluation.FINAL)
    if as_json:
        print_json(board)
        return
    print_leaderboard(board)


@app.command("benchmark")
def benchmark(
    slug: Slug,
    end: Annotated[bool, typer.Option("--end", help="Take no more uploads; the queue is still evaluated")] = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Keep a revealed competition open as a benchmark: uploads go on, and are ranked on a board of their own.

    Final and public board stay as they are. Of what is uploaded from now on participants learn score and rank only.
    """
    from lethe.server.hosting import creation

    context = open_site(home)
    _say_state(creation.end_benchmark(context, slug) if end else creation.start_benchmark(context, slug), as_json)


@app.command("export")
def export(
    slug: Slug,
    folder: Annotated[Path, typer.Argument(help="A new folder")],
    margins: Annotated[
        bool,
        typer.Option(help="Include the arrays behind each score, which `lethe score` reads, and plots"),
    ] = True,
    logits: Annotated[
        bool, typer.Option(help="Include all outputs of runs and oracles, some 20 MB a submission of 512 runs")
    ] = True,
    mlflow: Annotated[
        str | None, typer.Option("--mlflow", help="Also log it to MLflow: a new folder, or a tracking server's URL")
    ] = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Write what a paper's appendix needs: tables, receipts, sources, outputs; no e-mails, keys or photographs.

    A README in the folder says the shapes. The specification has the seeds of the data, and outputs say much about
    hidden photographs: publish those only if the photographs are public, or their people have agreed.
    """
    from rich.progress import Progress

    from lethe.server.competitions.service import get_competition
    from lethe.server.hosting.archive import export as write
    from lethe.server.hosting.mlflow_tracking import log_archive, require_target

    context = open_site(home)
    if mlflow is not None:
        with context.database.read() as session:
            get_competition(session, slug, drafts=True)
        require_target(mlflow, slug)
    interrupted = on_interrupt(f"Nothing was exported to {folder}. To begin again, repeat the command.")
    with interrupted, Progress(console=Console(stderr=True), transient=True) as bars:
        bar = bars.add_task("submissions", total=None)
        count = write(
            context,
            slug,
            folder,
            margins=margins,
            logits=logits,
            report=lambda done, total: bars.update(bar, completed=done, total=total),
        )
    uri = None if mlflow is None else log_archive(folder, mlflow)
    if as_json:
        document = {"competition": slug, "submissions": count, "folder": str(folder), "mlflow": uri}
        typer.echo(json.dumps(document))
        return
    typer.echo(f"{folder} has {count_text(count, 'submission')} of {slug}.")
    if uri is not None:
        typer.echo(f"to view them in MLflow: mlflow ui --backend-store-uri {uri}")


@app.command("list")
def list_competitions(home: Home = None, as_json: Json = False) -> None:
    """List all competitions, drafts included."""
    from lethe.server.cli.tables import print_competitions
    from lethe.server.competitions import service

    with open_site(home).database.read() as session:
        rows = service.list_rows(session, drafts=True)
    if as_json:
        typer.echo(json.dumps([row.model_dump(mode="json") for row in rows]))
        return
    print_competitions(rows)


@app.command("edit")
def edit_competition(
    slug: Slug,
    specification: Annotated[Path, typer.Argument(help="TOML file; what it leaves out stays as it is")],
    yes: Yes = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Change texts, names of classes, dates, quotas and measures of a competition that exists.

    What would change its models or scores is refused with the reason. Limits of runs may change until something is
    uploaded. Its page says when it was edited last.
    """
    from lethe.evaluator.contract.specification_file import load_specification
    from lethe.server.competitions.service import get_competition
    from lethe.server.hosting import editing

    wanted = load_specification(specification)
    context = open_site(home)
    with context.database.read() as session:
        found = editing.changes(session, get_competition(session, slug, drafts=True), wanted)
    for one in () if as_json else found:
        echo(f"{one.key}: {_shortened(one.before)} → {_shortened(one.after)}", err=not yes)
    if found:
        if not yes:
            typer.confirm(f"Change {slug}?", abort=True, err=True)
        with context.database.write() as session:
            found = editing.edit(session, slug, wanted)
    document = {"competition": slug, "changes": [asdict(one) for one in found]}
    say(document, f"Changed {slug}." if found else f"{slug} says all of that already.", as_json)


def _shortened(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN_CHARS else f"{text[: SHOWN_CHARS - 1]}…"


@app.command("delete")
def delete_competition(
    slug: Slug,
    keep_archive: Annotated[
        Path | None, typer.Option("--keep-archive", help="Write the export to this new folder first")
    ] = None,
    photographs: Annotated[
        bool, typer.Option("--photographs", help="Only what was made of photographs, after the end; scores stay")
    ] = False,
    yes: Yes = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Delete a competition for good: photographs, models, outputs, sources, teams, scores. The audit log stays.

    With --photographs, after the end, scores, receipts, boards and sources stay; nothing can be computed anew.
    Backups that were made before still have all of it, and so have the caches of workers until they are emptied.
    """
    from lethe.server.cli.storage import readable
    from lethe.server.competitions.service import get_competition
    from lethe.server.hosting import deletion
    from lethe.server.hosting.archive import export as write
    from lethe.server.hosting.photographs import delete_photographs, require_ended
    from lethe.server.pages.formatting import count_text

    context = open_site(home)
    with context.database.read() as session:
        competition = get_competition(session, slug, drafts=True)
        if photographs:
            require_ended(session, competition)
    what = (
        f"all photographs of {competition.title!r}, and models, outputs and practice data that were made of them"
        if photographs
        else f"{competition.title!r} and everything that was made for it"
    )
    if not yes:
        typer.echo(f"This deletes {what}. Nothing brings it back.", err=True)
        if typer.prompt(f"Type {slug} to delete it", err=True) != slug:
            raise typer.Abort
    if keep_archive is not None:
        with on_interrupt(f"Nothing was deleted, and there is no archive in {keep_archive}."):
            write(context, slug, keep_archive)
    deleted = delete_photographs(context, slug) if photographs else deletion.delete(context, slug)
    document = asdict(deleted) | {"competition": slug, "photographs": photographs}
    size = f"{count_text(deleted.artifacts, 'artifact')}, {readable(deleted.size_bytes)}"
    submissions = count_text(deleted.submissions, "submission")
    text = (
        f"Deleted what was made of photographs in {slug}: {size}. The scores of {submissions} stay."
        if photographs
        else f"Deleted {slug}: {submissions}, {size}."
    )
    say(document, text, as_json)


def _cost(plan: "Plan") -> str:
    text = (
        f"{count_text(len(plan.submissions), 'submission')} of {count_text(plan.teams, 'team')}, "
        f"{plan.automatic} of them chosen automatically: {count_text(plan.runs, 'run')}"
    )
    if plan.worker_s is None:
        return f"{text}."
    hours = plan.worker_s / 3600
    cost = f"{hours:,.1f} hours" if hours >= 1 else f"{plan.worker_s:,.0f} seconds"
    return f"{text}, about {cost} of one worker slot by the public evaluation."
