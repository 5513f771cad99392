"""`lethe init`: writes a file or a notebook to start from."""

import json
from pathlib import Path
from typing import Annotated

import typer

from lethe.evaluator.contract.submission import FILENAME
from lethe.server.cli.options import Json
from lethe.server.client.login import find_server
from lethe.server.errors import ConfigurationError
from lethe.server.pages.snippets import STARTER
from lethe.server.pages.starter_notebook import NOTEBOOK, starter_notebook

_SLUG = "demo"


def init(
    file: Annotated[
        Path | None, typer.Argument(help=f"A new file [default: {FILENAME}, or {NOTEBOOK}]", show_default=False)
    ] = None,
    notebook: Annotated[
        bool, typer.Option("--notebook", help="Write a notebook: practice data, scores, plots, submitting")
    ] = False,
    competition: Annotated[
        str | None, typer.Option("-c", "--competition", help=f"Of the notebook [default: {_SLUG}]", show_default=False)
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file")] = False,
    as_json: Json = False,
) -> None:
    """Write a working submission that explains its inputs and its result, or a notebook around it."""
    if competition is not None and not notebook:
        raise typer.BadParameter("a file is for every competition: leave out -c, or say --notebook")
    slug = competition or _SLUG
    text = starter_notebook(slug, find_server()[0]) if notebook else STARTER
    file = file or Path(NOTEBOOK if notebook else FILENAME)
    try:
        with file.open("w" if force else "x", encoding="utf-8") as new:
            new.write(text)
    except FileExistsError as error:
        raise ConfigurationError(f"{file} already exists: choose another name, or replace it with --force") from error
    except OSError as error:
        raise ConfigurationError(f"cannot write {file}: {error.strerror}") from error
    if as_json:
        typer.echo(json.dumps({"file": str(file)}))
    elif notebook:
        typer.echo(f"{file} is written, for {slug}. Next: open it in Jupyter, with Lethe's extra worker installed")
    else:
        typer.echo(f"{file} is written. Next: lethe check {file}, then lethe submit {file} -c SLUG --watch")
