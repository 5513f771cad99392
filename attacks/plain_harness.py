"""The harness of attacks that need no torch: plays the evaluator's part with lists. Copied into the jail."""

import json
from pathlib import Path
from typing import Any

from lethe.sandbox.guest import define


def load(inputs: Path) -> dict[str, list[str]]:
    """The visible labels by part."""
    labels: dict[str, list[str]] = json.loads((inputs / "visible.json").read_text(encoding="utf-8"))
    return labels


def run(context: dict[str, list[str]], source: bytes, filename: str, function: str, seed: int) -> bytes:  # noqa: ARG001
    """The loot of the hostile function as bytes, empty when it gained nothing."""
    unlearning = define(source, filename, function)
    loot: Any = unlearning(None, context["retain"], context["forget"], context["validation"])
    if isinstance(loot, bytes):
        return loot
    return repr(loot).encode("utf-8", "backslashreplace") if loot else b""
