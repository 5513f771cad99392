"""A worker's self-test: one tiny run through the whole pipeline, in a process of its own, before it asks for work."""

import fcntl
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from lethe.evaluator.contract.data_sources import SyntheticFacesSpec
from lethe.evaluator.contract.specification import CompetitionSpec, PracticeSpec, SplitSpec, TrainingSpec
from lethe.evaluator.environment import environment
from lethe.sandbox.errors import SandboxUnavailable

WALL_S = 600.0
SOURCE = b"def unlearning(net, retain, forget, validation):\n    return net\n"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_TAIL = 2_000


def require_self_test(folder: Path, *, sandbox_mode: str, allow_unsafe: bool, again: bool = False) -> bool:
    """Run the test unless it has passed since the machine started, with the same versions; False when it was skipped.

    With `again` it is never skipped. Raises SandboxUnavailable with the reason of a failure. Workers that share
    `folder` wait for each other.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    facts = {**environment(), "sandbox_mode": sandbox_mode, "boot": _boot(), "interpreter": sys.executable}
    fingerprint = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    path = folder / "self-test"
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with os.fdopen(lock, "r+", encoding="ascii") as stamp:
        fcntl.flock(stamp, fcntl.LOCK_EX)
        if stamp.read() == fingerprint and not again:
            return False
        _run(allow_unsafe=allow_unsafe)
        stamp.seek(0)
        stamp.truncate()
        stamp.write(fingerprint)
    return True


def _boot() -> str:
    return _BOOT_ID.read_text(encoding="ascii").strip() if _BOOT_ID.exists() else ""


def _run(*, allow_unsafe: bool) -> None:
    command = [sys.executable, "-m", "lethe.evaluator.worker.self_test", *(["--allow-unsafe"] if allow_unsafe else [])]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=WALL_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise SandboxUnavailable(f"the worker's self-test did not end within {WALL_S:.0f} s") from error
    if done.returncode != 0:
        raise SandboxUnavailable(f"the worker's self-test failed: {(done.stdout + done.stderr)[-_TAIL:].strip()}")


def specification() -> CompetitionSpec:
    """The smallest competition that exercises everything."""
    return CompetitionSpec(
        slug="self-test",
        title="Self-test",
        data=SyntheticFacesSpec(identities=8, images_per_identity=2, image_size=16, classes=2),
        practice=PracticeSpec(identities=8),
        split=SplitSpec(forget_fraction=0.2, validation_fraction=0.2, test_fraction=0.2, retain_sample=4),
        training=TrainingSpec(epochs=1, batch_size=4),
    )


def main(*, allow_unsafe: bool) -> int:
    """Do one run on practice data made for it and return the exit code; prints the reason of a failure."""
    from lethe.evaluator.practice import practise

    with tempfile.TemporaryDirectory(prefix="lethe-self-test-") as folder:
        store, scratch = Path(folder) / "store", Path(folder) / "scratch"
        result = practise(SOURCE, specification(), store_folder=store, scratch=scratch, allow_unsafe=allow_unsafe)
    if result.fault is None and result.accuracies:
        return 0
    sys.stdout.write(result.fault.model_dump_json() if result.fault else "the run left no outputs")
    return 1


if __name__ == "__main__":
    sys.exit(main(allow_unsafe="--allow-unsafe" in sys.argv[1:]))
