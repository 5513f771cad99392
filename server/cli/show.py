"""`lethe admin competition show`: everything about one competition on a screen."""

import json
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

import typer

from lethe.server.cli.characters import echo
from lethe.server.cli.options import Home, Json, Slug, open_site
from lethe.server.cli.storage import readable

if TYPE_CHECKING:
    from lethe.server.hosting.overview import Overview

WIDTH, TERM = 80, 14
COUNTED = ("retain", "forget", "validation", "test", "identities")


def show(slug: Slug, home: Home = None, as_json: Json = False) -> None:
    """Show phase, dates, data, banks, teams, submissions and disk of a competition, and what was done last."""
    from lethe.server.hosting.overview import overview

    found = overview(open_site(home), slug)
    if as_json:
        typer.echo(json.dumps(asdict(found), default=datetime.isoformat))
        return
    echo("\n".join(_lines(found)))


def _lines(found: "Overview") -> Iterator[str]:
    from lethe.evaluator.contract.phrases import time_text

    yield f"{found.title} ({found.slug})"
    yield found.state
    yield from _fact("hosts", ", ".join(found.hosts) or "operators only")
    for name, moment in found.dates.items():
        yield from _fact(name.removesuffix("_at").replace("_", " "), time_text(moment))
    yield from _fact("photographs", f"{found.photographs:,} hidden")
    for name, counts in found.counts.items():
        yield from _fact(name, ", ".join(f"{counts[part]:,} {part}" for part in COUNTED))
    for name, figures in found.figures.items():
        original, oracle = figures["original_forget_accuracy"], figures["oracle_forget_accuracy"]
        yield from _fact(f"{name} forget", f"accuracy {original:.3f}, of oracles {oracle:.3f}")
    for bank in found.banks:
        yield from _fact(f"{bank.bank} bank", f"{bank.trained:,} of {bank.wanted:,} models")
    yield from _fact("teams", f"{found.teams:,}")
    for name, states in found.submissions.items():
        yield from _fact(f"{name} runs", _counted(states))
    sizes = ", ".join(f"{folder} {readable(size)}" for folder, size in found.disk.items())
    yield from _fact("disk", f"{readable(sum(found.disk.values()))}{f': {sizes}' if sizes else ''}")
    for number, event in enumerate(found.events):
        yield from _fact(
            "" if number else "last changes", f"{time_text(event.at)} {event.actor} {event.action} {event.target}"
        )


def _counted(states: Mapping[str, int]) -> str:
    return f"{sum(states.values()):,}: " + ", ".join(f"{number:,} {state}" for state, number in sorted(states.items()))


def _fact(term: str, value: str) -> list[str]:
    first = f"  {term:<{TERM}} " if len(term) <= TERM else f"  {term} "
    return textwrap.wrap(value, WIDTH, initial_indent=first, subsequent_indent=" " * (TERM + 3), break_on_hyphens=False)
