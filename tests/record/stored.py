"""What the home holds: every score and place, what commands print of it, and what an export has in it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tests.record.home import SLUG, SUBMISSIONS, database, lethe, rows

RULES = ("exact", "competition")
EXPORTED = SUBMISSIONS["packaged"]
"""The submission whose margins and plots are exported: drawing those of all takes longer than the other tests."""


def numbers(home: Path) -> dict[str, Any]:
    """Every column of scores, former scores and places, floats as Python writes them, which loses nothing."""
    tables = {
        "scores": "SELECT * FROM scores ORDER BY id",
        "former_scores": "SELECT * FROM former_scores ORDER BY id",
        "standings": "SELECT * FROM standings ORDER BY evaluation, team_id",
    }
    return {name: [_parsed(row) for row in rows(home, query)] for name, query in tables.items()}


def _parsed(row: dict[str, Any]) -> dict[str, Any]:
    """JSON columns as what they hold: how it is written is the database's business."""
    documents = {"replicates", "receipt", "plots", "rises"}
    return {name: json.loads(value) if name in documents and value else value for name, value in row.items()}


def verified(home: Path) -> dict[str, Any]:
    """What rescoring says of the scores as they are."""
    found: dict[str, Any] = _json(lethe(home, "admin", "rescore", SLUG, "--verify", "--json"))
    return found


def computed(home: Path, export: Path) -> dict[str, Any]:
    """Numbers that are computed now, which differ in the last digits from processor to processor: the boards with
    accuracy ratios above 1, and the score of exported margins under both rules.
    """
    margins = str(export / "margins" / f"{EXPORTED}.npz")
    return {
        "boards": _json(lethe(home, "admin", "rescore", SLUG, "--no-cap-ratios", "--json"))["boards"],
        **{f"{rule} score": _json(lethe(home, "score", margins, "--rule", rule, "--json")) for rule in RULES},
    }


def exported(home: Path, scratch: Path) -> dict[str, str]:
    """An export without margins, and one with them of a single submission, which stays in `scratch`."""
    whole = scratch.with_name(f"{scratch.name}-whole")
    lethe(home, "admin", "competition", "export", SLUG, str(whole), "--no-margins")
    with database(home) as connection:
        others = f"SELECT id FROM scores WHERE submission_id <> '{EXPORTED.replace('-', '')}'"  # noqa: S608
        for table, column in (("standings", "score_id"), ("former_scores", "score_id"), ("scores", "id")):
            connection.execute(f"DELETE FROM {table} WHERE {column} IN ({others})")  # noqa: S608
    lethe(home, "admin", "competition", "export", SLUG, str(scratch))
    tables = {
        f"stored/export-{path.stem}.csv": path.read_text(encoding="utf-8") for path in sorted(whole.glob("*.csv"))
    }
    archive = json.loads((whole / "archive.json").read_text(encoding="utf-8"))
    files = [f"{path.relative_to(whole)}" for path in sorted(whole.rglob("*")) if path.is_file()]
    more = [f"{path.relative_to(scratch)}" for path in sorted(scratch.rglob("*")) if path.is_file()]
    lines = [*files, "with margins:", *(name for name in more if name not in files), "in archive.json:"]
    lines += sorted(set(_keys(archive)))
    lines += [f"in {path.relative_to(scratch)}:\n{_arrays(path)}" for path in sorted(scratch.glob("margins/*.npz"))]
    return {**tables, "stored/export.txt": "\n".join(lines)}


def _arrays(path: Path) -> str:
    with np.load(path) as arrays:
        return "\n".join(f"    {name}: {arrays[name].dtype} {arrays[name].shape}" for name in sorted(arrays))


def _keys(value: Any, path: str = "") -> Iterator[str]:
    """Where something stands in a document, and of what kind it is; submissions and packages are alike."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _keys(inner, f"{path}.{name}")
    elif isinstance(value, list):
        for inner in value or [None]:
            yield from _keys(inner, f"{path}[]")
    else:
        yield f"    {path.removeprefix('.')}: {type(value).__name__}"


def printed(home: Path, scratch: Path) -> dict[str, str]:
    """What an operator's commands print of the home."""
    commands = (
        "admin audit", "admin audit --json --limit 3", f"admin audit -c {SLUG} --limit 2", "admin user list",
        "admin user list --json", f"admin oracles status {SLUG}", f"admin oracles status {SLUG} --json",
        f"admin oracles verify {SLUG}", f"admin competition finals {SLUG} --yes --json",
        f"admin competition reveal {SLUG} --yes --json", "admin prune --json",
    )  # fmt: skip
    sections = [f"$ lethe {command}\n{lethe(home, *command.split())}" for command in commands]
    lethe(home, "admin", "backup", str(scratch / "backup"))
    manifest = json.loads((scratch / "backup" / "manifest.json").read_text(encoding="utf-8"))
    sections.append("in manifest.json of a backup:\n" + "\n".join(sorted(set(_keys(manifest)))))
    return {"stored/commands.txt": "\n".join(sections)}


def _json(printed_text: str) -> Any:
    """The document that a command printed last; log lines may stand before it."""
    return json.loads(printed_text.strip().splitlines()[-1])
