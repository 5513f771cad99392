"""`lethe` in a process of its own for each command, without the seconds in which each imports the same modules.

The processes are forked from one that has imported them. What is about starting itself calls `python -m` instead.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from functools import cache
from pathlib import Path

_LOCK = threading.Lock()
_PRELOADED = ("torch", "lethe.server.context", "lethe.server.hosting.creation", "lethe.evaluator.data.sources")
_PROGRAM = f"""
import gc, importlib, json, os, sys
for name in {_PRELOADED!r}:
    importlib.import_module(name)
from lethe.server.cli import main
gc.collect()
gc.freeze()
for line in sys.stdin:
    order = json.loads(line)
    child = os.fork()
    if child == 0:
        os.chdir(order["cwd"])
        os.environ.clear()
        os.environ.update(order["environment"])
        for number, path in enumerate([os.devnull, order["stdout"], order["stderr"]]):
            os.dup2(os.open(path, os.O_RDWR), number)
        sys.argv = ["lethe", *order["arguments"]]
        sys.exit(main())
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
"""


def run_lethe(
    *arguments: str, cwd: Path | str = "/", environment: Mapping[str, str] | None = None, check: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run one command in a folder and with nothing but this environment (by default this process's), and return what it
    printed; with `check`, a command that fails raises CalledProcessError.
    """
    with tempfile.TemporaryDirectory() as folder:
        printed = [Path(folder, name) for name in ("stdout", "stderr")]
        for path in printed:
            path.touch()
        variables = dict(os.environ if environment is None else environment)
        order = {
            "arguments": arguments, "cwd": str(cwd), "environment": variables,
            "stdout": str(printed[0]), "stderr": str(printed[1]),
        }  # fmt: skip
        with _LOCK:
            server = _server(os.getpid())
            assert server.stdin is not None
            assert server.stdout is not None
            server.stdin.write(json.dumps(order) + "\n")
            server.stdin.flush()
            code = int(server.stdout.readline())
        done = subprocess.CompletedProcess(["lethe", *arguments], code, *(path.read_text() for path in printed))
    if check:
        done.check_returncode()
    return done


@cache
def _server(_process: int) -> "subprocess.Popen[str]":
    """The process that forks; it ends with the one that asks it."""
    command = [sys.executable, "-c", _PROGRAM]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
