"""Operator commands: serve, control, worker, up and migrate."""

import signal
import socket
import threading
from pathlib import Path
from typing import Annotated, Literal

import typer

from lethe.server.cli.environment import require_known_variables
from lethe.server.cli.options import AllowUnsafe, Home, Host, Port, command_line, make_settings
from lethe.server.cli.supervisor import Supervisor
from lethe.server.errors import ConfigurationError
from lethe.server.settings import Settings

SHUTDOWN_S = 5
"""Seconds that requests in flight get after SIGTERM."""


def serve(home: Home = None, host: Host = None, port: Port = None) -> None:
    """Run the REST API and the web pages."""
    import gc

    import uvicorn

    from lethe.server.app import create_app
    from lethe.server.context import require_write_once
    from lethe.server.database.migration import require_newest
    from lethe.server.http.open_files import fit_to_open_files
    from lethe.server.http.protocol import bounded_http
    from lethe.server.logs import configure_logs

    settings = make_settings(home=home, host=host, port=port)
    configure_logs(level=settings.log_level, log_format=settings.log_format)
    settings = fit_to_open_files(settings)
    app = create_app(settings)
    require_newest(app.state.context.database)
    require_write_once(app.state.context.artifacts)
    listener = listen(settings)
    per_address = 0 if settings.trusted_proxies else settings.connections_per_address
    gc.freeze()  # now and then, a collection of the permanent objects would delay all requests by 0.1 s
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=bounded_http(connections=settings.connections, per_address=per_address or settings.connections),
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_graceful_shutdown=SHUTDOWN_S,
    )
    uvicorn.Server(config).run(sockets=[listener])


def listen(settings: Settings) -> socket.socket:
    """Return a socket that listens on the configured address; raises ConfigurationError when the address is taken."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            f"cannot listen on {settings.host}:{settings.port} ({error.strerror}): choose another port with --port"
        ) from error
    return listener


def control(home: Home = None) -> None:
    """Run the control process: it sweeps for lost work and computes scores."""
    from lethe.evaluator.artifacts import open_store
    from lethe.server.context import require_write_once
    from lethe.server.control.process import run_control
    from lethe.server.database.engine import Database
    from lethe.server.database.migration import require_newest
    from lethe.server.logs import configure_logs

    settings = make_settings(home=home)
    configure_logs(level=settings.log_level, log_format=settings.log_format)
    require_newest(Database(settings.database))
    settings.prepare_home()
    require_write_once(open_store(settings.artifacts))
    run_control(settings)


def worker(
    server: Annotated[str | None, typer.Option("--server", help="URL of lethe serve [env: LETHE_SERVER_URL]")] = None,
    key_file: Annotated[
        Path | None, typer.Option("--key-file", help="File with the worker key [or env: LETHE_WORKER_KEY]")
    ] = None,
    key: Annotated[
        str | None, typer.Option("--key", help="The worker key itself; other users of this machine can see it")
    ] = None,
    slots: Annotated[int | None, typer.Option("--slots", help="Runs at the same time [env: LETHE_SLOTS]")] = None,
    only: Annotated[
        Literal["check", "hidden"] | None,
        typer.Option("--only", help="Work on one stage: check or hidden [env: LETHE_ONLY]"),
    ] = None,
    allow_unsafe: AllowUnsafe = False,
) -> None:
    """Run an evaluation worker: it runs submissions in the sandbox and stores their outputs."""
    from lethe.evaluator.settings import WorkerSettings
    from lethe.evaluator.worker.process import run_worker
    from lethe.server.logs import configure_logs

    if key_file is not None:
        try:
            key = key_file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"cannot read the worker key in {key_file}: {error}") from error
    require_known_variables()
    given = {"server_url": server, "slots": slots, "worker_key": key, "only": only}
    settings = WorkerSettings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    configure_logs(level=settings.log_level, log_format=settings.log_format)
    run_worker(settings, allow_unsafe=allow_unsafe)


def migrate(home: Home = None) -> None:
    """Migrate the database to the newest schema."""
    from lethe.server.context import create_context
    from lethe.server.database.migration import migrate as apply

    settings = make_settings(home=home)
    apply(create_context(settings).database)
    typer.echo("The database is at the newest schema.")


def up(home: Home = None, host: Host = None, port: Port = None, allow_unsafe: AllowUnsafe = False) -> None:
    """Run serve, control and a worker as children of this command; Ctrl-C stops everything."""
    settings = make_settings(home=home, host=host, port=port)
    supervisor = start_all(settings, allow_unsafe=allow_unsafe)
    address = f"{settings.server_url}{settings.root_path}"
    typer.echo(f"Lethe is at {address} · home {settings.home} · Ctrl-C stops it", err=True)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    supervisor.run(stop)


def start_all(settings: Settings, *, log_level: str | None = None, allow_unsafe: bool = False) -> Supervisor:
    """Start the three processes of one machine; raises before anything starts if one of them cannot."""
    from lethe.evaluator.sandbox_pool import require_isolation
    from lethe.evaluator.settings import SandboxSettings
    from lethe.server.context import create_context, require_write_once
    from lethe.server.database.migration import migrate as apply
    from lethe.server.queue.worker_keys import embedded_worker_key

    listen(settings).close()
    context = create_context(settings)
    require_isolation(SandboxSettings(), allow_unsafe=allow_unsafe)
    require_write_once(context.artifacts)
    apply(context.database)
    key = embedded_worker_key(context)
    context.database.dispose()
    shared = {
        "LETHE_HOME": str(settings.home),
        "LETHE_HOST": settings.host,
        "LETHE_PORT": str(settings.port),
        "LETHE_LOG_LEVEL": log_level or settings.log_level,
    }
    supervisor = Supervisor(shared)
    supervisor.start("serve", command_line("serve"))
    supervisor.start("control", command_line("control"))
    worker_command = command_line("worker", *(["--allow-unsafe"] if allow_unsafe else []))
    supervisor.start("worker", worker_command, environment=worker_environment(settings, key))
    return supervisor


def worker_environment(settings: Settings, key: str) -> dict[str, str]:
    """Return the variables of a worker on this machine, without a database URL."""
    return {
        "LETHE_SERVER_URL": settings.server_url,
        "LETHE_WORKER_KEY": key,
        "LETHE_BROKER_URL": settings.broker,
        "LETHE_ARTIFACTS_URL": settings.artifacts,
        "LETHE_CACHE": str(settings.home / "cache"),
        "LETHE_DATABASE_URL": "",
    }
