"""`lethe score FILE.npz`: the metric offline, from stored outputs, with error bars."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from lethe.server.cli.columns import Column, print_table
from lethe.server.plain_text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lethe.evaluator.measures.measurements import Measurements
    from lethe.evaluator.metrics import Comparison, NormalisedQuality, Pool, Quantity, Rule, Score, ScoreFinding
    from lethe.evaluator.metrics.pools_file import StoredPools


BAR_WIDTH = 40
BIN_WIDTH = 0.5
PERMUTATIONS = 99
OF_A_PART = "Below is the score of this part alone; the board's is made of all parts (docs/metric.md, Several tasks)."
UNLEARNED_COLOURS = ("#dd8452", "#55a868")
ORACLES_COLOUR = "#4c72b0"


def score(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            exists=True,
            dir_okay=False,
            readable=True,
            help="Arrays `unlearned` and `retrained`: margins (N, E), or logits (N, E, C) with `labels` (E,). "
            "Optional: `identities` (E,), a second oracle pool `ceiling`, and accuracies (N,) named like "
            "`unlearned_retain_accuracy` or `retrained_test_accuracy`. Several files together have the arrays of one",
        ),
    ],
    rule: Annotated[
        Literal["exact", "competition"] | None,
        typer.Option(help="How epsilon is computed; by default as the file says, else exact"),
    ] = None,
    cap_ratios: Annotated[
        bool | None,
        typer.Option(
            "--cap-ratios/--no-cap-ratios",
            help="Limit the accuracy ratios to 1; the 2023 challenge did not. By default as the file says, else yes",
        ),
    ] = None,
    quantity: Annotated[
        Literal["margin", "loss", "logit"],
        typer.Option(help="What the attacks see of logits: margin, cross-entropy, or logit of the true class"),
    ] = "margin",
    against: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, readable=True, help="A second file with the same `retrained`, to compare with"
        ),
    ] = None,
    measures: Annotated[
        bool, typer.Option("--measures", help="Also everything else that margins and accuracies tell; takes seconds")
    ] = False,
    plot: Annotated[Path | None, typer.Option(help="Write a picture (.png, .svg or .pdf); needs matplotlib")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of text")] = False,
) -> None:
    """Score unlearned models against oracles from stored margins or logits, with 95% intervals."""
    from lethe.evaluator.metrics.pools_file import PoolsFileError

    try:
        report = _score(files, rule, cap_ratios, quantity, against, measures)
        if plot is not None:
            _draw(report, plot)
    except (PoolsFileError, _Refused) as refusal:
        typer.echo(f"lethe: {refusal}", err=True)
        raise typer.Exit(1) from refusal
    if as_json:
        typer.echo(json.dumps(_as_json(report), allow_nan=False))
    else:
        _print(report)


class _Refused(Exception):
    """The pools cannot be scored or drawn; the message says why and what to change."""


@dataclass(frozen=True)
class _Rival:
    """The submission that another is compared with."""

    file: Path
    unlearned: "Pool"
    score: "Score"


@dataclass(frozen=True)
class _ScoreReport:
    file: Path
    quantity: "Quantity"
    unlearned: "Pool"
    retrained: "Pool"
    score: "Score"
    ceiling: "Score | None"
    normalised: "NormalisedQuality | None"
    comparison: "Comparison | None"
    rival: _Rival | None
    findings: tuple["ScoreFinding", ...]
    part: str
    """Which part of a score over several tasks or originals the file is of; empty: all of a score."""
    measurements: "list[Measurements]"
    """Of the runs, then of the ceiling if there is one; empty unless they were asked for."""


def _score(
    files: list[Path],
    rule: "Rule | None",
    cap_ratios: bool | None,
    quantity: "Quantity",
    against: Path | None,
    measures: bool,
) -> _ScoreReport:
    import numpy as np

    from lethe.evaluator.metrics import ScoreFinding, calibrate, diagnose, evaluate
    from lethe.evaluator.metrics.pools_file import KNOWN, read_pools

    file = files[0]
    if measures and quantity != "margin":
        raise _Refused("--measures are of margins; leave --quantity out")
    stored = read_pools(*files, quantity=quantity)
    unlearned, retrained = stored.unlearned, stored.retrained
    rule = rule or stored.rule or "exact"
    if cap_ratios is None:
        cap_ratios = stored.cap_ratios is not False
    calibration = normalised = comparison = rival = None
    try:
        result = evaluate(unlearned, retrained, rule=rule, cap_ratios=cap_ratios, identities=stored.identities)
    except ValueError as error:
        raise _Refused(f"{file}: {error}") from error
    if stored.ceiling is not None:
        try:
            calibration = calibrate(
                retrained, stored.ceiling, rule=rule, cap_ratios=cap_ratios, identities=stored.identities
            )
        except ValueError as error:
            raise _Refused(f"{file}: the pool `ceiling`, scored like `unlearned`: {error}") from error
        normalised = calibration.normalise(result)
    if against is not None:
        other = read_pools(against, *files[1:], quantity=quantity)
        rival, comparison = _compare(file, stored, against, other, rule=rule, cap_ratios=cap_ratios)
    ceiling = None if calibration is None else calibration.ceiling
    findings = diagnose(unlearned, retrained, score=result, ceiling=ceiling)
    if np.array_equal(unlearned.margins, retrained.margins):
        message = "`unlearned` and `retrained` are the same numbers; such a score says nothing about unlearning."
        findings = (*findings, ScoreFinding("same_pools", message))
    if stored.ignored:
        message = f"Ignored {', '.join(stored.ignored)}; known arrays are {', '.join(sorted(KNOWN))}."
        findings = (*findings, ScoreFinding("arrays_ignored", message))
    measurements = _measure(stored, result, ceiling) if measures else []
    return _ScoreReport(
        file=file,
        quantity=quantity,
        unlearned=unlearned,
        retrained=retrained,
        score=result,
        ceiling=ceiling,
        normalised=normalised,
        comparison=comparison,
        rival=rival,
        findings=findings,
        part=stored.part,
        measurements=measurements,
    )


def _compare(
    file: Path, stored: "StoredPools", against: Path, other: "StoredPools", *, rule: "Rule", cap_ratios: bool
) -> "tuple[_Rival, Comparison]":
    """Return the other submission with its score, and how the two compare; raises _Refused where they do not."""
    import numpy as np

    from lethe.evaluator.metrics import compare, evaluate

    ours, theirs, retrained = stored.unlearned, other.unlearned, stored.retrained
    if not np.array_equal(other.retrained.margins, retrained.margins):
        raise _Refused(f"{against}: its `retrained` differs from that of {file}; compare on one oracle bank")
    _require_same_accuracies({file: ours, against: theirs})
    try:
        rival = _Rival(against, theirs, evaluate(theirs, retrained, rule=rule, cap_ratios=cap_ratios))
        found = compare(ours, theirs, retrained, rule=rule, cap_ratios=cap_ratios, permutations=PERMUTATIONS)
    except ValueError as error:
        raise _Refused(f"{against}: {error}") from error
    return rival, found


def _require_same_accuracies(pools: "dict[Path, Pool]") -> None:
    """Raise _Refused where one of two files has accuracies of its runs that the other lacks."""
    for kind in ("retain_accuracy", "test_accuracy"):
        lacking = [file for file, pool in pools.items() if getattr(pool, kind) is None]
        if len(lacking) == 1:
            (other,) = (file for file in pools if file != lacking[0])
            raise _Refused(f"{lacking[0]}: no unlearned_{kind}, which {other} has; give it in both files, or in none")


def _measure(stored: "StoredPools", score: "Score", ceiling: "Score | None") -> "list[Measurements]":
    """Return everything that was measured of the runs, then of the ceiling if there is one."""
    from lethe.evaluator.measures.inputs import inputs_of_pools
    from lethe.evaluator.measures.measurements import measure_inputs

    pools = ((stored.unlearned, score), (stored.ceiling, ceiling))
    return [
        measure_inputs(
            inputs_of_pools(
                pool, stored.retrained, rule=score.rule, identities=stored.identities, score=scored, ceiling=ceiling
            )
        )
        for pool, scored in pools
        if pool is not None
    ]


def _as_json(report: _ScoreReport) -> dict[str, Any]:
    from dataclasses import asdict

    described = {"quantity": report.quantity} | _score_as_json(report.score)
    if report.part:
        described["part"] = report.part
    described["epsilon"] = report.score.epsilon.tolist()
    described["ceiling"] = None if report.ceiling is None else _score_as_json(report.ceiling)
    described["normalised"] = None if report.normalised is None else asdict(report.normalised)
    described["comparison"] = None if report.comparison is None else asdict(report.comparison)
    described["warnings"] = [asdict(finding) for finding in report.findings]
    for name, found in zip(("measures", "ceiling_measures"), report.measurements, strict=False):
        described[name] = {key: asdict(value) for key, value in found.values.items()}
    return described


def _score_as_json(score: "Score") -> dict[str, Any]:
    return {
        "rule": score.rule,
        "metric_version": score.metric_version,
        "runs": score.runs,
        "oracles": score.oracles,
        "examples": len(score.epsilon),
        "forgetting_quality": score.forgetting_quality,
        "retain_ratio": score.retain_ratio,
        "test_ratio": score.test_ratio,
        "final_score": score.final_score,
        "standard_error": score.standard_error,
        "interval": list(score.interval),
        "interval_new_identities": (
            None if score.interval_new_identities is None else list(score.interval_new_identities)
        ),
        "replicates": score.replicates.tolist(),
    }


def _print(report: _ScoreReport) -> None:
    score = report.score
    sizes = f"{score.runs} runs, {score.oracles} oracles, {len(score.epsilon)} examples"
    seen = "" if report.quantity == "margin" else f", attacks see the {report.quantity}"
    typer.echo(f"{report.file.name}: {sizes}, rule {score.rule}{seen}")
    if report.part:
        typer.echo(f"{one_line(report.part)}. {OF_A_PART}")
    _print_values("name", list(_values(report)))
    typer.echo()
    for line in _histogram(score):
        typer.echo(line)
    if report.measurements:
        typer.echo()
        _print_measures(*report.measurements)
    for finding in report.findings:
        typer.echo(f"warning {finding.code}: {finding.message}", err=True)


def _values(report: _ScoreReport) -> "Iterator[tuple[str, str, str]]":
    """Yield name, value and interval of the score, of what it is made of, and of what it is compared with."""
    score = report.score
    yield "final score", f"{score.final_score:.4f}", _interval(score.interval)
    if score.interval_new_identities is not None:
        yield "  for new identities", "", _interval(score.interval_new_identities)
    yield "forgetting quality", f"{score.forgetting_quality:.4f}", ""
    yield "retain ratio", f"{score.retain_ratio:.4f}", ""
    yield "test ratio", f"{score.test_ratio:.4f}", ""
    if report.ceiling is not None:
        yield "ceiling", f"{report.ceiling.final_score:.4f}", _interval(report.ceiling.interval)
    if report.normalised is not None:
        yield "F / ceiling's F", f"{report.normalised.value:.4f}", _interval(report.normalised.interval)
    elif report.ceiling is not None:
        yield "F / ceiling's F", "undefined", ""
    if report.comparison is not None:
        paired = report.comparison.paired
        verdict = "significant" if paired.significant else "not significant"
        yield "difference", f"{paired.difference:+.4f}", f"{_interval(paired.interval)} {verdict}"
        yield "  permutation p-value", f"{report.comparison.p_value:.2f}", ""


def _print_values(title: str, lines: list[tuple[str, ...]], *more: str) -> None:
    titles = (title, "value", "95% interval", *more)
    print_table([Column(name, cells) for name, cells in zip(titles, zip(*lines, strict=True), strict=True)])


def _print_measures(found: "Measurements", of_ceiling: "Measurements | None" = None) -> None:
    """Print every value with its interval, beside the second pool of oracles where the file has one."""
    from lethe.evaluator.measures.registry import measure_of

    lines: list[tuple[str, ...]] = []
    question = ""
    for key, value in found.values.items():
        one = measure_of(key)
        if one.question != question:
            question = one.question
            lines.append((question, "", "", ""))
        bounds = "" if value.low is None or value.high is None else _interval((value.low, value.high))
        beside = None if of_ceiling is None else of_ceiling.values.get(key)
        oracles = "" if beside is None else f"{beside.value:.4f}"
        lines.append((f"  {one.column_title(key)}", f"{value.value:.4f}", bounds, oracles))
    if of_ceiling is None:
        _print_values("measure", [line[:-1] for line in lines])
    else:
        _print_values("measure", lines, "oracles")


def _interval(bounds: tuple[float, float]) -> str:
    return f"[{bounds[0]:.4f}, {bounds[1]:.4f}]"


def _histogram(score: "Score") -> list[str]:
    """Return the histogram of epsilon in bins of 0.5, one line per bin; the last bin includes all larger values."""
    import numpy as np

    bins = _bin_count(score)
    counts = np.bincount(np.minimum(score.epsilon / BIN_WIDTH, bins - 1).astype(int), minlength=bins)
    lines = ["epsilon       examples"]
    for index, count in enumerate(counts):
        low = index * BIN_WIDTH
        upper = "  up " if index == bins - 1 else f"-{low + BIN_WIDTH:4.1f}"
        bar = "█" * round(BAR_WIDTH * count / counts.max())
        lines.append(f"{low:4.1f}{upper} {count:10d} {bar}".rstrip())
    return lines


def _bin_count(score: "Score") -> int:
    from lethe.evaluator.metrics import competition_bins, exact_limit

    if score.rule == "competition":
        return competition_bins(score.runs) + 1
    return int(exact_limit(score.runs, score.oracles) / BIN_WIDTH) + 1


def _draw(report: _ScoreReport, path: Path) -> None:
    """Draw the histogram of epsilon, and the margins of the best, the median and the worst example."""
    import numpy as np

    try:
        import matplotlib as mpl
    except ModuleNotFoundError as error:
        raise _Refused("--plot needs matplotlib: install it with: pip install matplotlib") from error
    mpl.use("Agg")
    from matplotlib.figure import Figure

    score = report.score
    pools = [("unlearned" if report.rival is None else report.file.name, report.unlearned, score)]
    if report.rival is not None:
        pools.append((report.rival.file.name, report.rival.unlearned, report.rival.score))
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    edges = BIN_WIDTH * np.arange(_bin_count(score) + 1)
    left.hist(
        [np.minimum(scored.epsilon, edges[-1] - BIN_WIDTH / 2) for _, _, scored in pools],
        edges,
        color=UNLEARNED_COLOURS[: len(pools)],
        label=[f"{name}: F {of.forgetting_quality:.3f}, score {of.final_score:.3f}" for name, _, of in pools],
        edgecolor="white",
    )
    left.set(xlabel="epsilon (the last bin includes all larger values)", ylabel="forget examples")
    left.set_title(f"rule {score.rule}", fontsize=10)
    left.legend(fontsize=8)
    order = np.argsort(score.epsilon, kind="stable")
    chosen = order[[0, len(order) // 2, -1]]
    drawn = [*((name, pool) for name, pool, _ in pools), ("oracles", report.retrained)]
    colours = [*UNLEARNED_COLOURS[: len(pools)], ORACLES_COLOUR]
    for place, ((name, pool), colour) in enumerate(zip(drawn, colours, strict=True)):
        for row, example in enumerate(chosen):
            values = pool.margins[:, example]
            height = np.full(len(values), row + 0.24 * ((len(drawn) - 1) / 2 - place))
            label = name if row == 0 else None
            right.plot(values, height, "|", color=colour, markersize=9, alpha=0.6, label=label)
    right.set_yticks(range(3), [f"example {e}\nε = {score.epsilon[e]:.2f}" for e in chosen])
    right.set_ylim(-0.6, 2.6)
    right.set_xlabel(report.quantity)
    right.legend(fontsize=8)
    try:
        figure.savefig(path, dpi=130)
    except (OSError, ValueError) as error:
        raise _Refused(f"cannot write {path}: {error}") from error
