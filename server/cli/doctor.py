"""`lethe doctor`: whether this machine can run Lethe, and what to do where it cannot."""

import json

import typer

from server.cli.options import Json


def doctor(as_json: Json = False) -> None:
    """Check what this machine needs for running submissions; each line is ok, or says what mends it."""
    from sandbox.doctor import probe

    findings = probe()
    if as_json:
        typer.echo(json.dumps([{"name": f.name, "ok": f.ok, "required": f.required, "detail": f.detail,
                                "remedy": f.remedy} for f in findings]))  # fmt: skip
    else:
        for finding in findings:
            mark = "ok  " if finding.ok else "FAIL" if finding.required else "note"
            typer.echo(f"{mark}  {finding.name}: {finding.detail}")
            if not finding.ok and finding.remedy:
                typer.echo(f"      {finding.remedy}")
    if any(finding.required and not finding.ok for finding in findings):
        raise typer.Exit(1)
