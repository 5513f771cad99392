"""`lethe check FILE`: a dry run in the same sandbox, on practice data of a specification or of a competition."""

import json
import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lethe.evaluator.contract.practice import FEWEST_RUNS, MOST_RUNS
from lethe.evaluator.contract.practice_score import EPSILON_BIN, count_epsilon
from lethe.server.cli.characters import echo
from lethe.server.cli.descriptions import expectation, resources
from lethe.server.cli.interrupts import on_interrupt
from lethe.server.cli.options import AllowUnsafe, DataFolder, Json, Server, Yes
from lethe.server.cli.practice import confirm_network, obtain_bundle, practice_folder
from lethe.server.cli.progress import training_progress
from lethe.server.pages.formatting import curve_text

if TYPE_CHECKING:
    from lethe.evaluator.artifacts.practice_bundle import PracticeBundle
    from lethe.evaluator.contract.practice import PracticeFacts
    from lethe.evaluator.contract.practice_score import ScoredPractice
    from lethe.evaluator.contract.specification import CompetitionSpec
    from lethe.evaluator.practice import CheckResult
    from lethe.server.submissions.static_check import CheckedFile

EPSILON_BINS, BAR_CHARS = 8, 40
"""Of the histogram in a terminal; its last bin includes all larger values."""


def check(
    file: Annotated[
        Path, typer.Argument(help="Python file or notebook with unlearning(net, retain, forget, validation)")
    ],
    competition: Annotated[
        str | None, typer.Option("-c", "--competition", help="Use this competition's practice bundle (lethe practice)")
    ] = None,
    specification: Annotated[
        Path | None, typer.Option("--spec", help="Without a server: TOML file, or a shipped one's name; default: demo")
    ] = None,
    score: Annotated[bool, typer.Option(help="Score further runs against practice oracles")] = True,
    runs: Annotated[
        int, typer.Option("--runs", min=FEWEST_RUNS, max=MOST_RUNS, help="How many runs are scored")
    ] = FEWEST_RUNS,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Draw accuracies over steps, epsilon and margins: a .png or .svg file")
    ] = None,
    data_folder: DataFolder = None,
    yes: Yes = False,
    server: Server = None,
    as_json: Json = False,
    allow_unsafe: AllowUnsafe = False,
) -> None:
    """Check a submission as the server will: first without running it, then in the sandbox on practice data.

    Shows everything that it prints, the resources that it uses, accuracies while it trains, and its score on practice
    data. Oracles that the practice data lack are trained on the first check and kept.
    """
    if plot is not None:
        _require_drawable(plot)
    from lethe.evaluator.data.sources import Files
    from lethe.evaluator.practice import practise

    if competition is not None and (specification is not None or data_folder is not None):
        raise typer.BadParameter("-c takes the practice data of the competition; leave out --spec and --data")
    given, facts = _practice(competition, specification or Path("demo"), server, yes=yes)
    if competition is not None and score and not facts.oracles:
        typer.echo("This practice bundle has no oracles: eight are trained now, once. It takes minutes.", err=True)
    checked = _checked(file, facts, as_json)
    advice = "Trained oracles are kept. To go on, repeat the command."
    with (
        on_interrupt(advice),
        training_progress() as progress,
        tempfile.TemporaryDirectory(prefix="lethe-check-") as scratch,
    ):
        result = practise(
            checked.source,
            given,
            store_folder=practice_folder(),
            scratch=Path(scratch),
            files=Files(folder=data_folder, beside=(specification or Path("demo")).parent),
            allow_unsafe=allow_unsafe,
            progress=progress,
            scored_runs=runs if score else 0,
            leaves_out=facts.leave_out.applies_to(file.name),
        )
    if as_json:
        typer.echo(json.dumps({"static": _static(checked), **result.model_dump(mode="json")}))
    else:
        _show(result)
    if plot is not None:
        _draw(result, plot)
    if result.fault is not None:
        raise typer.Exit(1)


def _practice(
    competition: str | None, specification: Path, server: str | None, *, yes: bool
) -> "tuple[CompetitionSpec | PracticeBundle, PracticeFacts]":
    """Return what to practise on, and its facts: the bundle of a competition, or without one a specification."""
    from lethe.evaluator.contract.practice import facts_of
    from lethe.evaluator.contract.specification_file import load_specification

    if competition is not None:
        bundle = obtain_bundle(competition, server, yes=yes).open()
        confirm_network(bundle, yes=yes)
        return bundle, bundle.facts
    spec = load_specification(specification)
    return spec, facts_of(spec)


def _require_drawable(plot: Path) -> None:
    """Raise BadParameter for a file that could not be drawn, before the runs rather than after them."""
    if plot.suffix.lower() not in {".png", ".svg"}:
        raise typer.BadParameter(f"--plot {plot}: name a .png or .svg file")
    if not plot.parent.is_dir():
        raise typer.BadParameter(f"--plot {plot}: there is no folder {plot.parent}")


def _draw(result: "CheckResult", plot: Path) -> None:
    from lethe.server.plots.check import check_plot

    drawn = check_plot(result.report.curve, result.score, "svg" if plot.suffix.lower() == ".svg" else "png")
    if drawn is None:
        typer.echo("nothing to draw: no optimiser took a step, and there is no score", err=True)
        return
    try:
        plot.write_bytes(drawn)
    except OSError as error:
        typer.echo(f"cannot write {plot}: {error.strerror}", err=True)
        raise typer.Exit(1) from error


def _checked(file: Path, facts: "PracticeFacts", as_json: bool) -> "CheckedFile":
    """Return the file after the server's static check; a refused file ends the command with code 1."""
    from lethe.server.submissions.static_check import RefusedFile, check_file

    try:
        data = file.read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"cannot read {file}: {error.strerror}") from error
    limit_bytes = facts.limits.upload_bytes
    try:
        checked = check_file(data, filename=file.name, limit_bytes=limit_bytes, dependencies=facts.dependencies)
    except RefusedFile as refusal:
        if as_json:
            document = {"ok": False, "code": refusal.code, "message": str(refusal), "line": refusal.line}
            typer.echo(json.dumps({"static": document}))
        else:
            typer.echo(f"{refusal.code}: {refusal}", err=True)
        raise typer.Exit(1) from refusal
    if not as_json:
        packages = f", packages: {', '.join(checked.dependencies)}" if checked.dependencies else ""
        typer.echo(f"static check: ok, {len(checked.source):,} of {limit_bytes:,} bytes{packages}")
        for note in checked.notes:
            echo(f"note: {note}", err=True)
    return checked


def _static(checked: "CheckedFile") -> dict[str, object]:
    return {
        "ok": True,
        "bytes": len(checked.source),
        "dependencies": list(checked.dependencies),
        "notes": list(checked.notes),
    }


def _show(result: "CheckResult") -> None:
    from lethe.evaluator.contract.fault_texts import FAULT_TEXTS

    report, score = result.report, result.score
    for part in (report.stdout, report.stderr, report.traceback):
        if part.strip():
            echo(part.rstrip())
    for note in report.left_out:
        echo(f"note: {note}", err=True)
    if report.packages:
        echo(f"installed: {', '.join(report.packages)}")
    typer.echo(f"a run takes {resources(report)}")
    if report.hidden is not None:
        typer.echo(expectation(report.hidden, report.memory_limit_bytes))
    if report.curve is not None:
        typer.echo(curve_text(report.curve))
    if result.accuracies:
        shown = ", ".join(f"{part} {value:.3f}" for part, value in result.accuracies.items())
        typer.echo(f"accuracies on practice data: {shown}")
    for advice in report.advice:
        echo(f"{advice}: {advice.text}", err=True)
    if score is not None:
        typer.echo(str(score))
        typer.echo(
            f"from {score.runs} runs and {score.oracles} oracles, rule {score.rule}; scores on hidden data differ"
        )
        if score.trained_s is not None:
            typer.echo(f"training practice oracles took {score.trained_s:.0f} s; they are kept for the next check")
        typer.echo(describe_forgetting(score))
    if result.fault is not None:
        place = f" (line {result.fault.line})" if result.fault.line else ""
        echo(f"{result.fault.code}{place}: {FAULT_TEXTS[result.fault.code]}", err=True)
        echo(result.fault.message, err=True)
    else:
        typer.echo("ok")


def describe_forgetting(score: "ScoredPractice") -> str:
    """Return margins in a line, and epsilon of the forget images as a histogram that fits into 80 columns."""
    runs, oracles = statistics.mean(score.margins), statistics.mean(score.oracle_margins)
    lines = [
        f"margins on the forget images, on average: runs {runs:.2f}, oracles {oracles:.2f}",
        f"epsilon of the {len(score.epsilon)} forget images (0: the runs cannot be told from oracles)",
    ]
    counts = count_epsilon(score.epsilon, EPSILON_BINS)
    for place in range(EPSILON_BINS):
        start, count = place * EPSILON_BIN, counts[place] if place < len(counts) else 0
        name = f"{start:.1f} to {start + EPSILON_BIN:.1f}" if place < EPSILON_BINS - 1 else f"{start:.1f} or more"
        bar = "#" * -(-count * BAR_CHARS // max(counts))
        lines.append(f"  {name:<12} {count:>5}  {bar}".rstrip())
    return "\n".join(lines)
