"""`lethe admin rescore`: recomputes scores from stored outputs, compares them, and replaces all at once."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from lethe.evaluator.contract.phrases import count_text
from lethe.server.cli.characters import echo
from lethe.server.cli.columns import SHORTEST_NAME, Column, print_table
from lethe.server.cli.interrupts import on_interrupt
from lethe.server.cli.options import Home, Json, Slug, Yes, open_site

if TYPE_CHECKING:
    from lethe.server.scoring.rescoring import Draft, Move
    from lethe.server.scoring.verification import Verified

UNCHANGED = "All scores are as they were. To begin again, repeat the command."


def rescore(
    slug: Slug,
    rule: Annotated[
        Literal["exact", "competition"] | None, typer.Option("--rule", help="Change the rule; see docs/metric.md")
    ] = None,
    cap_ratios: Annotated[
        bool | None, typer.Option("--cap-ratios/--no-cap-ratios", help="Limit the accuracy ratios to 1, or not")
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Change nothing; exit with 1 unless every stored score is reproduced")
    ] = False,
    yes: Yes = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Recompute all scores from stored outputs, show old and new boards, ask, and replace all scores at once.

    No submission runs, so it needs neither workers nor GPUs. With --json and without --yes it only compares.
    """

    if verify and (rule is not None or cap_ratios is not None):
        raise typer.BadParameter("--verify recomputes each score under its own rule: leave out --rule and --cap-ratios")
    context = open_site(home)
    if verify:
        from lethe.server.scoring.verification import verify as check

        with on_interrupt(UNCHANGED), _bar() as report:
            found = check(context, slug, report)
        _tell(slug, found, as_json)
        if not found.sound:
            raise typer.Exit(1)
        return
    from lethe.server.scoring import rescoring

    given = {"rule": rule, "cap_ratios": cap_ratios}
    with on_interrupt(UNCHANGED), _bar() as report:
        made = rescoring.draft(
            context, slug, {name: value for name, value in given.items() if value is not None}, report
        )
    if not as_json:
        _show(made)
    if not yes and not as_json:
        typer.confirm(_question(made), abort=True, err=True)
    if yes or not as_json:
        with on_interrupt(UNCHANGED), _bar() as report:
            made = rescoring.apply(context, made, report)
    if as_json:
        typer.echo(json.dumps(_document(made, applied=yes)))
        return
    typer.echo(f"Replaced {count_text(len(made.scores), 'score')} of {slug}; the former ones are kept.")
    typer.echo(f"tell the participants: lethe admin competition announce {slug} TITLE TEXT")


@contextmanager
def _bar() -> Iterator[Callable[[int, int], None]]:
    bars = Progress(
        TextColumn("scores"), BarColumn(bar_width=32), MofNCompleteColumn(), TimeRemainingColumn(),
        console=Console(stderr=True), transient=True,
    )  # fmt: skip
    with bars:
        task = bars.add_task("scores", total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


def _tell(slug: str, found: "Verified", as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"competition": slug, "sound": found.sound, **asdict(found)}))
        return
    for line in found.different:
        echo(line)
    typer.echo(
        f"{count_text(found.scores, 'score')} of {slug}: {found.identical} identical to the bit, "
        f"{found.close} within 1e-9, {len(found.different)} different"
    )


def _show(made: "Draft") -> None:
    old, new = made.old_metric, made.new_metric
    typer.echo(f"metric: {_named(old)}" if old == new else f"metric: {_named(old)} → {_named(new)}")
    moves = [(name, move) for name, found in made.moves.items() for move in found]
    columns = [
        Column("board", [name for name, _ in moves]),
        Column("old rank", ["" if move.old_rank is None else str(move.old_rank) for _, move in moves], right=True),
        Column("new rank", [_new_rank(move) for _, move in moves], right=True),
        Column("team", [move.team for _, move in moves], least=SHORTEST_NAME),
        Column("old score", [f"{move.old_score:.4f}" for _, move in moves], right=True),
        Column("new score", [f"{move.new_score:.4f}" for _, move in moves], right=True),
    ]
    print_table(columns, styles={place: "dim" for place, (_, move) in enumerate(moves) if move.new_rank is None})


def _new_rank(move: "Move") -> str:
    if move.new_rank is None:
        return ""
    if move.old_rank is None or move.old_rank == move.new_rank:
        return str(move.new_rank)
    return f"{'↑' if move.new_rank < move.old_rank else '↓'} {move.new_rank}"


def _named(metric: object) -> str:
    return ", ".join(f"{name} {value}" for name, value in vars(metric).items())


def _question(made: "Draft") -> str:
    shown = " Everybody has seen the final board already." if made.is_revealed else ""
    return (
        f"Replace {count_text(len(made.scores), 'score')} of {made.slug}, all that there are? "
        f"Later ones are scored under the new metric.{shown}"
    )


def _document(made: "Draft", *, applied: bool) -> dict[str, object]:
    return {
        "competition": made.slug,
        "applied": applied,
        "scores": len(made.scores),
        "old_metric": made.old_metric.model_dump(mode="json"),
        "new_metric": made.new_metric.model_dump(mode="json"),
        "boards": {name: [asdict(move) for move in moves] for name, moves in made.moves.items()},
    }
