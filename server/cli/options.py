"""Options that several commands share, and settings made from them."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import BaseModel

from lethe.server.cli.characters import echo
from lethe.server.cli.environment import require_known_variables
from lethe.server.errors import ConfigurationError
from lethe.server.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from lethe.server.context import Context

Home = Annotated[
    Path | None, typer.Option("--home", help="Home folder: embedded database, broker and artifacts [env: LETHE_HOME]")
]
Port = Annotated[int | None, typer.Option("--port", help="Port to listen on [env: LETHE_PORT]")]
Host = Annotated[str | None, typer.Option("--host", help="Address to listen on [env: LETHE_HOST]")]
AllowUnsafe = Annotated[
    bool,
    typer.Option("--allow-unsafe", help="Run without isolation; needs LETHE_SANDBOX_BACKEND=unsafe-subprocess too"),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of text")]
Slug = Annotated[str, typer.Argument(help="The competition's slug")]
Jobs = Annotated[
    int | None, typer.Option("--jobs", min=1, help="Training processes; default: one per core, four per GPU")
]
DataFolder = Annotated[
    Path | None, typer.Option("--data", help="Folder with the photographs, or a .npz file, for sources that read files")
]
SubmissionId = Annotated[str, typer.Argument(metavar="ID", help="The submission's id, or its first 8 digits or more")]
Server = Annotated[str | None, typer.Option("--server", help="URL of the Lethe server [env: LETHE_SERVER]")]
Token = Annotated[
    str | None, typer.Option("--token", help="API token; other users of this machine can see it [env: LETHE_TOKEN]")
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation")]


def make_settings(**given: Any) -> Settings:
    """Return the settings of the environment, overridden by the given options.

    Raises ConfigurationError for a LETHE_… variable that is no setting.
    """
    require_known_variables()
    return Settings(**{name: value for name, value in given.items() if value is not None})


def open_site(home: Path | None, *, makes_one: bool = False) -> "Context":
    """Return the context of the site that the settings name; raises as `creation.open_context` does."""
    from lethe.server.hosting import creation

    return creation.open_context(make_settings(home=home), makes_site=makes_one)


@contextmanager
def writing(home: Path | None, *, makes_site: bool = False) -> Iterator["Session"]:
    """Open a session on the site's database that commits when the block ends."""
    with open_site(home, makes_one=makes_site).database.write() as session:
        yield session


def require_unwritten(file: Path, *, force: bool) -> None:
    """Raise ConfigurationError if there is such a file, unless `force` lets it be replaced."""
    if file.exists() and not force:
        raise ConfigurationError(f"{file} already exists: choose another name with -o, or replace it with --force")


def print_json(*models: BaseModel, as_list: bool = False) -> None:
    """Print the model, or a list of models, as JSON in ASCII, which every encoding has."""
    documents = [model.model_dump(mode="json") for model in models]
    typer.echo(json.dumps(documents if as_list else documents[0]))


def say(document: dict[str, Any], text: str, as_json: bool) -> None:
    """Print `document` for programs, or `text` for people."""
    echo(json.dumps(document) if as_json else text)


def command_line(*arguments: str) -> list[str]:
    """Return the command line that starts another `lethe` with this interpreter."""
    return [sys.executable, "-m", "lethe.server.cli", *arguments]
