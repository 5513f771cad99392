"""Commands of a document, as a test runs them: in bash, with the paths, names and servers of the test."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]


def commands(document: Path, section: str = "") -> str:
    """The blocks of shell commands below the heading `section`, up to the next heading of its level, or all of them."""
    text = document.read_text(encoding="utf-8")
    if section:
        level = section.split(" ")[0]
        _, found, text = text.partition(f"\n{section}\n")
        assert found, section
        text = re.split(rf"\n#{{1,{len(level)}}} ", text)[0]
    return "".join(re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))


def bash(script: str, folder: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run `script` as it is in the checkout, ending at the first failure, with a `lethe` that is this checkout's."""
    programs = folder / "programs"
    programs.mkdir(exist_ok=True)
    lethe = programs / "lethe"
    lethe.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m lethe.server.cli "$@"\n')
    lethe.chmod(0o755)
    variables = {name: value for name, value in os.environ.items() if not name.startswith("LETHE_")}
    path = f"{programs}:{os.environ['PATH']}:/usr/sbin"
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=ROOT, env={**variables, "PATH": path, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def replaced(script: str, *pairs: tuple[str, str]) -> str:
    """`script` with each regular expression replaced; each of them must occur."""
    for pattern, other in pairs:
        script, count = re.subn(pattern, other, script, flags=re.MULTILINE)
        assert count, f"{pattern} does not occur any more"
    return script
