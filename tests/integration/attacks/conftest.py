"""One bench for the whole corpus, and attacks without the layer that stops them."""

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest

from lethe.attacks.attack_bench import AttackBench
from lethe.attacks.case import Case, load_cases
from lethe.attacks.plants import Plants
from lethe.evaluator.contract.states import Stage
from lethe.sandbox.setup import DEFAULT_UID

ROOT = Path(__file__).resolve().parents[3]
CASES = {case.name: case for case in load_cases()}
UID = DEFAULT_UID if os.geteuid() == 0 else os.geteuid()

# Calls the plain harness as often as asked, in one ordinary process: no jail, no limits, nothing between two calls.
BARE = """
import sys
from pathlib import Path
sys.path[:0] = [sys.argv[1]]
from lethe.attacks import plain_harness
source = Path(sys.argv[3]).read_bytes()
context = plain_harness.load(Path(sys.argv[2]))
for _ in range(int(sys.argv[4])):
    loot = plain_harness.run(context, source, "submission.py", "unlearning", 0)
sys.stdout.buffer.write(loot)
"""


@pytest.fixture(autouse=True)
def devices_lock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IO[bytes]]:
    """Held by every test here, in all processes of a run; a test that changes what the others watch takes it alone."""
    with (tmp_path_factory.getbasetemp().parent / "devices.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield lock


@pytest.fixture(scope="session")
def bench(kept_image: None) -> Iterator[AttackBench]:
    with AttackBench() as opened:
        yield opened


@pytest.fixture
def plants() -> Iterator[Plants]:
    with Plants(UID) as planted:
        yield planted


@pytest.fixture
def without_a_jail(bench: AttackBench, plants: Plants) -> Callable[[Case], bytes]:
    """`without_a_jail(case)`: the loot of its last call as an ordinary process of the guests' user."""

    def run(case: Case) -> bytes:
        inputs = plants.folder.parent / f"{plants.folder.name}-inputs"
        inputs.mkdir()
        try:
            (inputs / "visible.json").write_bytes((bench.plain_inputs(Stage.CHECK) / "visible.json").read_bytes())
            plants.write_targets(inputs)
            scratch = str(plants.folder / "writable")
            source = case.source.decode()
            for there, here in (("/tmp", scratch), ("/dev/shm", scratch), ("/sandbox/inputs", inputs)):  # noqa: S108
                source = source.replace(there, str(here))
            (inputs / "source.py").write_text(source.replace("169.254.", "127.254."), encoding="utf-8")
            inputs.chmod(0o755)
            command = [sys.executable, "-c", BARE, str(ROOT), str(inputs), str(inputs / "source.py"), str(case.runs)]
            return subprocess.run(
                command, cwd=plants.folder / "writable", capture_output=True, check=True, timeout=60, close_fds=False,
                **({"user": UID, "group": UID, "extra_groups": []} if os.geteuid() == 0 else {}),
            ).stdout  # fmt: skip
        finally:
            for path in inputs.iterdir():
                path.unlink()
            inputs.rmdir()

    return run


# Runs cases as an ordinary user and prints the verdicts as JSON.
PROGRAM = """
import json, sys
from lethe.attacks.attack_bench import AttackBench
from lethe.attacks.case import load_cases
from lethe.attacks.runner import run_cases
from lethe.sandbox import Backend
names = set(json.loads(sys.argv[2]))
with AttackBench(backend=Backend(sys.argv[1])) as bench:
    cases = [case for case in load_cases() if case.name in names]
    print(json.dumps([[v.case.name, v.finding, v.seen, v.reason] for v in run_cases(cases, bench)]))
"""


@pytest.fixture
def as_ordinary_user(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., list[list[object]]]:
    """`as_ordinary_user(backend, names)`: name, finding, codes and reason of each verdict, found by another user."""

    def run(backend: str, names: list[str]) -> list[list[object]]:
        uid = 61_234
        home = tmp_path_factory.mktemp("ordinary")
        os.chown(home, uid, uid)
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, backend, json.dumps(names)],
            cwd="/", capture_output=True, check=False, text=True, timeout=5000,
            env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", "PYTHONPATH": str(ROOT)},
            user=uid, group=uid, extra_groups=[],
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        found: list[list[object]] = json.loads(done.stdout.splitlines()[-1])
        return found

    return run
