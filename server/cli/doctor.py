"""`lethe doctor`: checks this machine, its sandbox and on request its site, and says how to fix each fault."""

import json
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lethe.server.cli.interrupts import on_interrupt
from lethe.server.cli.options import Home, Json, make_settings

if TYPE_CHECKING:
    from lethe.attacks.runner import Verdict
    from lethe.evaluator.settings import SandboxSettings
    from lethe.sandbox.doctor import HostFinding

_MARKS = {"contained": "ok  ", "breached": "FAIL", "skipped": "note"}
_LEAST_SUMMARY = 30


def doctor(
    attacks: Annotated[bool, typer.Option("--attacks", help="Also run the attack corpus in the sandbox")] = False,
    production: Annotated[
        bool, typer.Option("--production", help="Also check what a public site must have; run it as `lethe serve` runs")
    ] = False,
    url: Annotated[
        str | None, typer.Option("--url", help="Public address of the site, to be asked, too; implies --production")
    ] = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Check this machine; each line is ok, or says what is wrong and how to fix it."""
    from lethe.evaluator.settings import SandboxSettings
    from lethe.server.cli.installation import look
    from lethe.server.cli.production import inspect

    sandbox = SandboxSettings()
    settings = make_settings(home=home)
    findings = [*_look_at_sandbox(sandbox), *look(settings)]
    if production or url:
        findings += inspect(settings, url)
    if not as_json:
        _show(findings)
    bad = any(finding.required and not finding.ok for finding in findings)
    verdicts: list[Verdict] = []
    if attacks:
        if not any(finding.name == "jail" and finding.ok for finding in findings):
            typer.echo("The attacks were not run: there is no sandbox to attack.", err=True)
            bad = True
        else:
            with on_interrupt("The attacks were not all run. To run all, repeat the command."):
                for verdict in _attack(sandbox):
                    verdicts.append(verdict)
                    if not as_json:
                        _show_verdict(verdict)
    breached = [verdict for verdict in verdicts if verdict.finding == "breached"]
    if as_json:
        typer.echo(json.dumps(_as_json(findings, verdicts)))
    elif verdicts:
        _summarise(verdicts)
    if bad or breached:
        raise typer.Exit(1)


def _look_at_sandbox(sandbox: "SandboxSettings") -> "list[HostFinding]":
    """Check the sandbox where a worker is installed; a server's machine needs none."""
    from lethe.sandbox.doctor import HostFinding, probe

    if find_spec("torch") is None:
        remedy = (
            "a server needs none; for a worker, install Lethe with its extra, in a checkout: pip install '.[worker]'"
        )
        return [HostFinding("sandbox", False, False, "not checked: this machine is no worker, it has no torch", remedy)]
    uid = sandbox.sandbox_uid
    return probe(uid=uid, backend=sandbox.sandbox_backend, gpu=sandbox.gpu, shared_image=sandbox.shared_image)


def _attack(sandbox: "SandboxSettings") -> "Iterator[Verdict]":
    from lethe.attacks.attack_bench import AttackBench
    from lethe.attacks.case import load_cases
    from lethe.attacks.runner import run_cases

    with AttackBench(backend=sandbox.sandbox_backend, uid=sandbox.sandbox_uid, gpu=sandbox.gpu) as bench:
        yield from run_cases(load_cases(), bench)


def _show(findings: "list[HostFinding]") -> None:
    for finding in findings:
        mark = "ok  " if finding.ok else "FAIL" if finding.required else "note"
        typer.echo(f"{mark}  {finding.name}: {finding.detail}")
        if not finding.ok and finding.remedy:
            typer.echo(f"      {finding.remedy}")


def _show_verdict(verdict: "Verdict") -> None:
    """Print a line as soon as a case has ended: case, layer, finding, and the summary if there is room."""
    case = verdict.case
    line = f"{_MARKS[verdict.finding]}  {case.layer:<22}  {case.name:<27} {verdict.finding:<9}"
    if verdict.finding == "contained":
        columns = shutil.get_terminal_size().columns
        typer.echo(f"{line}  {case.summary}"[:columns].rstrip() if columns > len(line) + _LEAST_SUMMARY else line)
    else:
        typer.echo(f"{line}  {verdict.reason}")


def _summarise(verdicts: "list[Verdict]") -> None:
    counts = {finding: sum(verdict.finding == finding for verdict in verdicts) for finding in _MARKS}
    said = [f"{count} {finding}" for finding, count in counts.items() if count]
    layers = len({verdict.case.layer for verdict in verdicts})
    wall_s = sum(verdict.wall_s for verdict in verdicts)
    typer.echo(f"{len(verdicts)} attacks on {layers} layers: {', '.join(said)}; {wall_s:.0f} s")
    if counts["breached"]:
        typer.echo("      run no strangers' code here; report the lines marked FAIL with the lines above the attacks")


def _as_json(findings: "list[HostFinding]", verdicts: "list[Verdict]") -> dict[str, Any]:
    return {
        "findings": [
            {"name": f.name, "ok": f.ok, "required": f.required, "detail": f.detail, "remedy": f.remedy}
            for f in findings
        ],
        "attacks": [
            {
                "case": v.case.name,
                "layer": v.case.layer,
                "summary": v.case.summary,
                "finding": v.finding,
                "seen": v.seen,
                "reason": v.reason,
                "wall_s": round(v.wall_s, 3),
            }
            for v in verdicts
        ],
    }
