"""The `lethe` command: composes server, evaluator and sandbox, importing each only inside the command that needs it."""

import sys
from collections.abc import Callable
from typing import Annotated

import typer

from lethe import __version__
from lethe.server.cli import (
    account,
    admin,
    bench,
    check,
    demo,
    diff,
    doctor,
    own_account,
    participant,
    practice,
    processes,
    score,
    starter,
    teams,
    webhooks,
)
from lethe.server.cli.characters import echo, fit_streams
from lethe.server.cli.interrupts import EXIT_INTERRUPTED
from lethe.server.errors import LetheError

EXIT_FAILED = 1
REPEAT = "Interrupted. To go on, repeat the command."

app = typer.Typer(
    name="lethe",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"lethe {__version__}")
        raise typer.Exit


_PANELS: dict[str, tuple[Callable[..., None], ...]] = {
    "Participants": (
        starter.init,
        check.check,
        practice.practice,
        account.register,
        account.login,
        account.logout,
        account.whoami,
        participant.competitions,
        participant.submit,
        participant.status,
        participant.submissions,
        diff.diff,
        participant.cancel,
        participant.select,
        participant.complete,
        participant.describe,
        participant.publish,
        participant.receipt,
        participant.evidence,
        participant.leaderboard,
    ),
    "Research": (score.score, bench.bench),
    "Operators": (
        demo.demo,
        processes.up,
        processes.serve,
        processes.control,
        processes.worker,
        processes.migrate,
        doctor.doctor,
    ),
}
for _panel, _commands in _PANELS.items():
    for _command in _commands:
        app.command(rich_help_panel=_panel)(_command)
app.add_typer(own_account.app, name="account", rich_help_panel="Participants", help="Your account on a server.")
app.add_typer(teams.app, name="team", rich_help_panel="Participants", help="Your team in a competition.")
app.add_typer(webhooks.app, name="webhook", rich_help_panel="Participants", help="Programs that are told what happens.")
app.add_typer(admin.app, name="admin", rich_help_panel="Hosts", help="Create and run competitions on this server.")


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version")
    ] = False,
) -> None:
    """Competition server for machine unlearning."""


# What a command needs beyond the base: the extra that has the missing module. Models are trained by the worker's.
EXTRAS = {
    "admin": "server",
    "bench": "worker",
    "check": "worker",
    "control": "server",
    "demo": "server,worker",
    "migrate": "server",
    "serve": "server",
    "up": "server,worker",
    "worker": "worker",
}
_OF_THE_WORKER = {"PIL", "pynvml", "pyseccomp", "torch", "torchvision", "uv"}


# Commands that call what logs. The others start without structlog, which takes a tenth of their time.
IN_PROCESS = {"admin", "bench", "demo"}


def main() -> None:
    """Run the command line; errors that Lethe raises on purpose are one line on stderr and exit code 1."""
    fit_streams()
    try:
        if IN_PROCESS.intersection(sys.argv[1:2]):
            from lethe.server.logs import configure_logs

            configure_logs(level="WARNING", log_format="text")  # to stderr: stdout may be JSON for a program
        app()
    except SystemExit as end:  # the last clauses import packages, at which a second Ctrl-C would show a traceback
        if isinstance(getattr(end.__context__, "__cause__", None), KeyboardInterrupt):  # no advice was given
            typer.echo(REPEAT, err=True)
        raise
    except KeyboardInterrupt:
        typer.echo(f"\n{REPEAT}", err=True)
        sys.exit(EXIT_INTERRUPTED)
    except LetheError as error:
        fail(str(error))
    except ModuleNotFoundError as error:
        extras = _missing_extras(error.name or "")
        if not extras:
            raise
        command = " ".join(["lethe", *sys.argv[1:2]])
        fail(f"{command} needs {error.name}: install Lethe with its extra, in a checkout: pip install '.[{extras}]'")
    except _expected_errors() as error:
        fail(str(error), getattr(error, "exit_code", EXIT_FAILED))
    except ValueError as error:
        message = _wrong_settings(error)
        if not message:
            raise
        fail(message)


def _missing_extras(module: str) -> str:
    """Return the extras that the command needs, comma-separated; empty if the missing module is in none of them."""
    if module.partition(".")[0] == "lethe":
        return ""
    extras = EXTRAS.get(next(iter(sys.argv[1:]), ""), "")
    if module in _OF_THE_WORKER and "worker" not in extras:
        return f"{extras},worker".lstrip(",")
    return extras


def fail(message: str, code: int = EXIT_FAILED) -> None:
    """Print `message` in one line, or log it where the log is JSON, and exit with `code`."""
    logs = sys.modules.get("lethe.server.logs")
    if logs is not None and logs.is_json():
        logs.get_logger(__name__).critical("process_ended", error=message, exit_code=code)
    else:
        echo(f"lethe: {message}", err=True)
    sys.exit(code)


def _wrong_settings(error: ValueError) -> str:
    """Return the wrong environment variables with their faults; empty if `error` is not about settings."""
    from pydantic import ValidationError

    if not isinstance(error, ValidationError) or not error.title.endswith("Settings"):
        return ""
    wrong = error.errors(include_url=False, include_input=False)  # an input may be a password
    return "; ".join(
        f"LETHE_{'_'.join(map(str, each['loc'])).upper()}: {each['msg'].removeprefix('Value error, ')}"
        for each in wrong
    )


def _expected_errors() -> tuple[type[Exception], ...]:
    """Return the roots of errors that the other packages raise on purpose; imported only when something was raised."""
    from lethe.evaluator.errors import EvaluatorError
    from lethe.sandbox.errors import SandboxError

    return EvaluatorError, SandboxError
