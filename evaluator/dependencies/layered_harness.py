"""The harness of jails with a layer: its packages can be imported by the forked guest, never by the zygote.

What the zygote imports could watch and change every later run, and libraries import what they happen to find: torch
alone tries two dozen packages while it is imported.
"""

import sys
from pathlib import Path

_LAYERS = [folder for folder in sys.path if folder.startswith("/sandbox/layers/")]
sys.path[:] = [folder for folder in sys.path if folder not in _LAYERS]

from evaluator.guest import harness  # noqa: E402 - not before the layers are out of its sight


def load(inputs: Path) -> harness.Context:
    """As the harness without a layer does."""
    return harness.load(inputs)


def run(context: harness.Context, source: bytes, filename: str, function: str, seed: int) -> bytes:
    """As the harness without a layer does, with the layers at the end of the guest's `sys.path`."""
    sys.path.extend(_LAYERS)
    return harness.run(context, source, filename, function, seed)
