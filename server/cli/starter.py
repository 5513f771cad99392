"""`lethe init`: writes a file to start from."""

import json
from pathlib import Path
from typing import Annotated

import typer

from lethe.evaluator.contract.submission import FILENAME
from lethe.server.cli.options import Json
from lethe.server.errors import ConfigurationError
from lethe.server.pages.snippets import STARTER


def init(
    file: Annotated[Path, typer.Argument(help="A new file")] = Path(FILENAME),
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file")] = False,
    as_json: Json = False,
) -> None:
    """Write a working submission that explains its inputs and its result."""
    try:
        with file.open("w" if force else "x", encoding="utf-8") as new:
            new.write(STARTER)
    except FileExistsError as error:
        raise ConfigurationError(f"{file} already exists: choose another name, or replace it with --force") from error
    except OSError as error:
        raise ConfigurationError(f"cannot write {file}: {error.strerror}") from error
    if as_json:
        typer.echo(json.dumps({"file": str(file)}))
    else:
        typer.echo(f"{file} is written. Next: lethe check {file}, then lethe submit {file} -c SLUG --watch")
