"""The `lethe` command: composes server, evaluator and sandbox, importing each only inside the command that needs it."""

import sys
from collections.abc import Callable

import typer

from server.cli import account, admin, bench, check, demo, doctor, participant, processes, score, starter, teams
from server.errors import LetheError

EXIT_FAILED = 1

app = typer.Typer(
    name="lethe",
    help="Competition server for machine unlearning.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
_PANELS: dict[str, tuple[Callable[..., None], ...]] = {
    "Participants": (
        starter.init,
        check.check,
        account.register,
        account.login,
        account.logout,
        account.whoami,
        participant.competitions,
        participant.submit,
        participant.status,
        participant.submissions,
        participant.cancel,
        participant.select,
        participant.receipt,
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
app.add_typer(teams.app, name="team", rich_help_panel="Participants", help="Your team in a competition.")
app.add_typer(admin.app, name="admin", rich_help_panel="Hosts", help="Create and run competitions on this server.")


# Commands that call what logs. The others start without structlog, which takes a tenth of their time.
IN_PROCESS = {"admin", "bench", "demo"}


def main() -> None:
    """Run the command line; errors that Lethe raises on purpose are one line on stderr and exit code 1."""
    if IN_PROCESS.intersection(sys.argv[1:2]):
        from server.logs import configure_logs

        configure_logs(level="WARNING", log_format="text")  # to stderr: stdout may be JSON for a program
    try:
        app()
    except LetheError as error:
        fail(str(error))
    except ModuleNotFoundError as error:
        if error.name not in {"torch", "torchvision", "PIL"}:
            raise
        fail(f"this command needs {error.name}: install the worker's packages with: pip install 'lethe[worker]'")
    except _expected_errors() as error:
        fail(str(error))
    except ValueError as error:
        message = _wrong_settings(error)
        if not message:
            raise
        fail(message)


def fail(message: str) -> None:
    """Print `message` in one line and exit with code 1."""
    sys.stderr.write(f"lethe: {message}\n")
    sys.exit(EXIT_FAILED)


def _wrong_settings(error: ValueError) -> str:
    """Return the wrong environment variables with their faults; empty if `error` is not about settings."""
    from pydantic import ValidationError

    if not isinstance(error, ValidationError) or not error.title.endswith("Settings"):
        return ""
    wrong = error.errors(include_url=False, include_input=False)  # an input may be a password
    return "; ".join(f"LETHE_{'_'.join(map(str, each['loc'])).upper()}: {each['msg']}" for each in wrong)


def _expected_errors() -> tuple[type[Exception], ...]:
    """Return the roots of errors that the other packages raise on purpose; imported only when something was raised."""
    from evaluator.errors import EvaluatorError
    from sandbox.errors import SandboxError

    return EvaluatorError, SandboxError
