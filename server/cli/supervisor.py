"""Runs Lethe's processes as children of one command: prefixed output, restarts with backoff, one Ctrl-C for all."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

FIRST_BACKOFF_S = 1.0
LONGEST_BACKOFF_S = 30.0
STEADY_AFTER_S = 60.0
STOP_GRACE_S = 20.0
_COLOURS = (36, 35, 33, 32, 34)


@dataclass
class _Child:
    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    colour: int
    process: subprocess.Popen[str] | None = None
    started_at: float = 0.0
    backoff_s: float = FIRST_BACKOFF_S
    restart_at: float | None = None
    reader: threading.Thread | None = field(default=None, repr=False)


class Supervisor:
    """Keeps named commands running until `stop`; their lines appear on stderr behind their names."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = {**os.environ, **environment, "PYTHONUNBUFFERED": "1"}
        self._children: list[_Child] = []
        self._stopping = False

    def start(self, name: str, arguments: Sequence[str], *, environment: Mapping[str, str] | None = None) -> None:
        """Start `arguments` under `name`, in a process group of its own so that Ctrl-C reaches only this process."""
        colour = _COLOURS[len(self._children) % len(_COLOURS)]
        child = _Child(name, arguments, {**self._environment, **(environment or {})}, colour)
        self._children.append(child)
        self._spawn(child)

    def watch(self) -> None:
        """Check each child once, and restart dead ones after their backoff. Call it about twice a second."""
        for child in self._children:
            if self._stopping or child.process is None:
                continue
            code = child.process.poll()
            if code is None:
                continue
            now = time.monotonic()
            if child.restart_at is None:
                if now - child.started_at > STEADY_AFTER_S:
                    child.backoff_s = FIRST_BACKOFF_S
                self._print(child, f"ended with code {code}; restarting in {child.backoff_s:.0f} s")
                child.restart_at = now + child.backoff_s
                child.backoff_s = min(2 * child.backoff_s, LONGEST_BACKOFF_S)
            elif now >= child.restart_at:
                child.restart_at = None
                self._spawn(child)

    def run(self, until: threading.Event) -> None:
        """Watch until the event is set, then stop everything."""
        try:
            while not until.wait(0.5):
                self.watch()
        finally:
            self.stop()

    def stop(self) -> None:
        """SIGTERM to all children in reverse order, SIGKILL to those that outlast the grace period."""
        self._stopping = True
        running = [child for child in reversed(self._children) if child.process and child.process.poll() is None]
        for child in running:
            _signal(child, signal.SIGTERM)
        deadline = time.monotonic() + STOP_GRACE_S
        for child in running:
            assert child.process is not None  # noqa: S101 - filtered above
            try:
                child.process.wait(timeout=max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                _signal(child, signal.SIGKILL)
                child.process.wait()
        for child in self._children:
            if child.reader is not None:
                child.reader.join(timeout=2)

    def pids(self) -> dict[str, int]:
        """Return the children's process ids by name."""
        return {child.name: child.process.pid for child in self._children if child.process}

    def _spawn(self, child: _Child) -> None:
        child.started_at = time.monotonic()
        child.process = subprocess.Popen(
            child.arguments,
            env=child.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            process_group=0,
        )
        child.reader = threading.Thread(target=self._forward, args=(child, child.process), daemon=True)
        child.reader.start()

    def _forward(self, child: _Child, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None  # noqa: S101 - opened as a pipe above
        with process.stdout as lines:
            for line in lines:
                self._print(child, line.rstrip("\n"))

    def _print(self, child: _Child, line: str) -> None:
        name = f"{child.name:<8}"
        if sys.stderr.isatty() and not os.environ.get("NO_COLOR"):
            name = f"\x1b[{child.colour}m{name}\x1b[0m"
        sys.stderr.write(f"{name}| {line}\n")
        sys.stderr.flush()


def _signal(child: _Child, number: signal.Signals) -> None:
    assert child.process is not None  # noqa: S101 - callers check first
    try:
        child.process.send_signal(number)
    except ProcessLookupError:
        return
