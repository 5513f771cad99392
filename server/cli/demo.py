"""`lethe demo`: the whole job on one machine, from nothing to a leaderboard."""

import json
import secrets
import signal
import threading
import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from lethe.evaluator.contract.states import SubmissionState
from lethe.server.cli.descriptions import describe_submission
from lethe.server.cli.interrupts import on_interrupt
from lethe.server.cli.options import Home, Port, make_settings
from lethe.server.cli.processes import listen, start_all
from lethe.server.cli.progress import training_progress
from lethe.server.cli.supervisor import Supervisor
from lethe.server.cli.tables import print_leaderboard
from lethe.server.cli.watch import wait_for
from lethe.server.client import ApiError, Client
from lethe.server.errors import PlatformError
from lethe.server.settings import Settings
from lethe.server.submissions.schemas import SubmissionView

SLUG = "demo"
BASELINES = ("noop", "finetune", "gradient_ascent", "reset_head", "noise_finetune")
START_LIMIT_S = 60.0
AGAIN = "What is done is kept. To go on, repeat the command."


def demo(
    home: Home = None,
    port: Port = None,
    once: Annotated[bool, typer.Option("--once", help="Stop after printing the leaderboard")] = False,
) -> None:
    """Create the demo competition, train its oracles, upload the baselines over HTTP and show the leaderboard."""
    settings = make_settings(home=home, port=port)
    listen(settings).close()
    started = time.monotonic()
    with on_interrupt(AGAIN):
        prepare_competition(settings)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    supervisor = start_all(settings, log_level="WARNING")  # progress bars and log lines do not mix
    try:
        failed = play(settings, supervisor, stop)
        typer.echo(f"The demo took {time.monotonic() - started:.0f} s.", err=True)
        if not once and not stop.is_set():
            typer.echo(f"The site runs on at {settings.server_url}/competitions/{SLUG}/leaderboard · Ctrl-C stops it")
            supervisor.run(stop)
    finally:
        supervisor.stop()
    if failed:
        raise typer.Exit(1)


def prepare_competition(settings: Settings) -> None:
    """Create, seed, calibrate and open the demo competition, as far as it is not done yet."""
    from lethe.evaluator.contract.specification_file import load_specification
    from lethe.sandbox.doctor import require
    from lethe.server.competitions.service import CompetitionExists
    from lethe.server.context import create_context
    from lethe.server.database.migration import migrate
    from lethe.server.hosting import creation
    from lethe.server.hosting.calibration import calibrate
    from lethe.server.hosting.oracles import seed

    require()
    context = create_context(settings)
    migrate(context.database)
    with training_progress() as progress:
        try:
            created = creation.create(context, load_specification(SLUG), jobs=None, progress=progress)
            typer.echo(creation.describe(created))
        except CompetitionExists:
            typer.echo(f"Continuing with the {SLUG} competition in {settings.home}.")
        seed(context, SLUG, count=None, jobs=None, distributed=False, progress=progress)
    calibrate(context, SLUG)
    creation.open_competition(context, SLUG)
    context.database.dispose()


def play(settings: Settings, supervisor: Supervisor, stop: threading.Event) -> bool:
    """Upload the baselines, each from its own account, and print the board. True if any of them failed."""

    def check_alive() -> None:
        supervisor.watch()
        if stop.is_set():
            raise PlatformError(f"stopped before the submissions were scored. {AGAIN}")

    _await_server(settings, check_alive)
    tokens = _accounts(settings)
    views: list[SubmissionView] = []
    for name in BASELINES:
        with Client(settings.server_url, tokens[name]) as client:
            views.append(client.submit(SLUG, baseline_file(name)))
    for index, name in enumerate(BASELINES):
        with Client(settings.server_url, tokens[name]) as client:
            views[index] = wait_for(client, views[index].id, check_alive=check_alive)
    failed = [view for view in views if view.state != SubmissionState.SCORED]
    with Client(settings.server_url, tokens[BASELINES[-1]]) as client:
        print_leaderboard(client.leaderboard(SLUG))
        again = client.submit(SLUG, baseline_file(BASELINES[-1]))
    if not failed and (again.id, again.score) == (views[-1].id, views[-1].score):
        typer.echo(f"{BASELINES[-1]}.py, uploaded again, has the same score without running.")
    for view in failed:
        typer.echo(describe_submission(view), err=True)
    return bool(failed)


def baseline_file(name: str) -> Path:
    """Return the file of a shipped baseline."""
    return Path(str(files("lethe.baselines"))) / f"{name}.py"


def _accounts(settings: Settings) -> dict[str, str]:
    """Return a token for each baseline's account, stored in the home folder so that the demo can be restarted."""
    path = settings.home / "demo-accounts.json"
    tokens: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    with Client(settings.server_url) as client:
        for name in BASELINES:
            if name not in tokens:
                tokens[name] = client.register(name, f"{name}@example.org", secrets.token_urlsafe(16)).token
    path.touch(mode=0o600)
    path.write_text(json.dumps(tokens))
    return tokens


def _await_server(settings: Settings, check_alive: Callable[[], None]) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline:
        check_alive()
        try:
            with Client(settings.server_url) as client:
                client.leaderboard(SLUG)
        except ApiError as error:
            if error.code != "unreachable":
                raise
            time.sleep(0.3)
        else:
            return
    raise PlatformError(f"{settings.server_url} did not answer within {START_LIMIT_S:.0f} s")
