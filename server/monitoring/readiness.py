"""Asks the parts that `serve` needs whether they answer, and never waits for one that hangs."""

import threading
import time
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from lethe.evaluator.artifacts import ArtifactError
from lethe.server.context import Context
from lethe.server.database.migration import schema_fault

OK = "ok"


class Probe:
    """Checks one part in a thread, so that a part that hangs delays nobody and is not asked twice."""

    def __init__(self, ask: Callable[[], str]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._asked_at: float | None = None
        self._answered = threading.Event()
        self._answer = OK

    def start(self) -> None:
        """Start the check, unless the previous one is still running."""
        with self._lock:
            if self._asked_at is not None and not self._answered.is_set():
                return
            self._asked_at = time.monotonic()
            self._answered = threading.Event()
            threading.Thread(target=self._run, args=(self._answered,), name="probe", daemon=True).start()

    def answer(self, deadline: float) -> str:
        """Return `ok`, or the fault that is known by `deadline` on the monotonic clock."""
        with self._lock:
            answered, asked_at = self._answered, self._asked_at or time.monotonic()
        if answered.wait(max(0.0, deadline - time.monotonic())):
            return self._answer
        return f"does not answer for {time.monotonic() - asked_at:.1f} s"

    def _run(self, answered: threading.Event) -> None:
        try:
            self._answer = self._ask()
        finally:
            answered.set()


class Readiness:
    """The probes of one server: database, broker and artifacts."""

    def __init__(self, context: Context) -> None:
        self._probes = {
            "database": Probe(lambda: _database(context)),
            "broker": Probe(lambda: OK if context.wake.is_reachable() else "unreachable"),
            "artifacts": Probe(lambda: _artifacts(context)),
        }

    def ask(self, limit_s: float) -> dict[str, str]:
        """Return the answer of each part, all within `limit_s`."""
        deadline = time.monotonic() + limit_s
        for probe in self._probes.values():
            probe.start()
        return {name: probe.answer(deadline) for name, probe in self._probes.items()}


def _database(context: Context) -> str:
    try:
        return schema_fault(context.database) or OK
    except SQLAlchemyError as error:
        return f"unreachable ({type(error).__name__})"


def _artifacts(context: Context) -> str:
    try:
        context.artifacts.probe()
    except ArtifactError:
        return "unreachable"
    return OK
