"""Ctrl-C in commands that take long: what is done by then, and how to go on."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

EXIT_INTERRUPTED = 130
"""As of a program that SIGINT ended."""


@contextmanager
def on_interrupt(advice: str) -> Iterator[None]:
    """Print `advice` on Ctrl-C, and end with `EXIT_INTERRUPTED`."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(f"\n{advice}", err=True)
        raise typer.Exit(EXIT_INTERRUPTED) from None
