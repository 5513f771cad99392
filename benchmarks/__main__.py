"""Runs all benchmarks, or those that are named, and ends with one table of what they found against the goals.

    python -m benchmarks [--quick] [api] [evaluation] …

A benchmark that fails does not end the others. `--quick` runs each for seconds, to see that it works; its figures mean
nothing. Run it with nothing else on the machine.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.goals import FILE, Finding, read_findings

# Each with options under which it ends in seconds.
BENCHMARKS = {
    "metric": ("--quick",),
    "sandbox": ("--runs=4", "--full=2", "--fresh=1", "--pairs=1"),
    "evaluation": ("--specification=benchmarks/small.toml", "--runs=2", "--rounds=1", "--cores=1"),
    "oracles": ("--rounds=1", "--epochs=1", "--models=1", "--images=64", "--bank=8"),
    "work": ("--chunks=5", "--queued=20", "--naps=2"),
    "api": ("--seconds=1", "--teams=30", "--times=1"),
    "pages": ("--teams=60", "--entries=2", "--watch-s=1"),
    "lottery": ("--runs=32", "--draws=8", "--pairs=1"),
}


def main() -> None:
    """Run them one after the other; exits with 1 if one of them failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=f"some of {', '.join(BENCHMARKS)}; all of them by default")
    parser.add_argument("--quick", action="store_true", help="a few seconds each")
    given = parser.parse_args()
    unknown = set(given.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}; choose from {', '.join(BENCHMARKS)}")
    failed = []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "findings")
        file.touch()
        for name in given.names or BENCHMARKS:
            print(f"\n== {name}", flush=True)
            options = BENCHMARKS[name] if given.quick else ()
            command = [sys.executable, "-m", f"benchmarks.{name}", *options]
            if subprocess.run(command, env={**os.environ, FILE: str(file)}, check=False).returncode:
                failed.append(name)
        findings = read_findings(file)
    show(findings, failed)
    sys.exit(1 if failed else 0)


def show(findings: list[Finding], failed: list[str]) -> None:
    """Print the table, in 80 columns."""
    print(f"\n{'benchmark':<11}{'figure':<33}{'found':>8} {'unit':<6}{'goal':>13}")
    for found in findings:
        goal = "" if found.goal is None else f"{found.bound} {found.goal:g}"
        print(
            f"{found.benchmark:<11}{found.name[:32]:<33}{found.value:>8.3g} {found.unit:<6}{goal:>13} {found.verdict}"
        )
    for name in failed:
        print(f"{name:<11}failed; its error is above")


if __name__ == "__main__":
    main()
