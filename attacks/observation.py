"""Whether a run can tell what another did: an observer writes down what it sees before, after and beside an attack."""

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from lethe.evaluator.contract.submission import FILENAME, FUNCTION
from lethe.sandbox import Sandbox, SandboxFailure

SOURCE = files("lethe.attacks").joinpath("observer_source.py").read_bytes()

REVIEWED: Mapping[str, str] = {
    "device number: /tmp": "the lowest number that no file system of the machine has when the run starts",
    "device number: /dev/shm": "the same, of the same file system",
    "inode number of a pipe or socket": "the kernel counts pipes and sockets of the whole machine",
    "faults before the run: ru_minflt": "how many pieces the request came in, and so time",
}
"""What differs from run to run, by the beginning of its name, and why; docs/leaks.md counts it in bits."""

REVIEWED_AT_ONCE: Mapping[str, str] = {
    "bytes that a new pipe takes": "the pages of pipes are counted for all runs of a user",
    "minor faults of ": "a page that another process maps at this moment is left to a fault of its own",
}
"""What can differ, beside these, only while the other run is there."""

REVIEWED_FRESH: Mapping[str, str] = {
    "device number": "each run has a jail, and so file systems, of its own",
    "minor faults of ": "addresses are random in each jail",
    "times of the files": "when its jail was started, and so time",
}
"""What differs, beside these, where each run has a jail of its own (`bubblewrap-fresh`)."""

Observation = Mapping[str, Any]
_LOOKS = 3


def observe(sandbox: Sandbox) -> Observation:
    """What a run in `sandbox` sees now, by name; raises SandboxFailure when it does not come to its end."""
    result = sandbox.run(SOURCE, function=FUNCTION, seed=0, filename=FILENAME)
    if result.payload is None:
        raise SandboxFailure(f"the observer ended as {result.status}: {result.error}")
    found: Observation = json.loads(result.payload)
    return found


def differences(before: Observation, after: Observation, *lists: Mapping[str, str]) -> dict[str, str]:
    """What `after` says otherwise than `before`, by name, if it is on none of the `lists`."""
    reviewed = tuple(name for each in lists for name in each)
    return {
        name: f"{str(before.get(name))[:100]} became {str(after.get(name))[:100]}"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name) and not name.startswith(reviewed)
    }


def lasting_difference(before: Observation, sandbox: Sandbox, *lists: Mapping[str, str]) -> str | None:
    """What every one of several runs in `sandbox` says otherwise than `before`, or None; a single one may be chance."""
    found: dict[str, str] | None = None
    for _ in range(_LOOKS):
        new = differences(before, observe(sandbox), *lists)
        found = new if found is None else {name: new[name] for name in found if name in new}
        if not found:
            return None
    return "; ".join(f"{name}: {told}" for name, told in (found or {}).items())[:500]
