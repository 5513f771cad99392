"""Another version of Lethe beside this one: a benchmark of both in alternating blocks, as ratios with an interval.

    git worktree add /tmp/before COMMIT
    python -m benchmarks.versions /tmp/before work -- --chunks 60 --queued 1 --naps 2

runs `benchmarks.work` here and in the other checkout, in turn the one or the other first. For every row of its table it
prints the median ratio of this version to the other one and the 95% interval of that median (sign test). Both versions
use this environment. Run it with nothing else on the machine.
"""

import argparse
import math
import os
import re
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parents[1]
ROW = re.compile(r"^(?P<name>\S.*?)(?:: |\s{2,})(?P<value>-?[\d,]*\.?\d+)(?=\s|$)")


def main() -> None:
    """Print one line for each row that both versions print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=Path, help="folder with a checkout of the other version")
    parser.add_argument("benchmark", help="name of a module in benchmarks/, in both versions")
    parser.add_argument("--blocks", type=int, default=10, help="runs of each version")
    given, options = parser.parse_known_args()
    options = [option for option in options if option != "--"]
    ratios: dict[str, list[float]] = {}
    for block in range(given.blocks):
        folders = (HERE, given.other) if block % 2 == 0 else (given.other, HERE)
        rows = {folder: measure(folder, given.benchmark, options) for folder in folders}
        for name in rows[HERE].keys() & rows[given.other].keys():
            if rows[given.other][name]:
                ratios.setdefault(name, []).append(rows[HERE][name] / rows[given.other][name])
        print(f"block {block + 1} of {given.blocks}", file=sys.stderr, flush=True)
    for name, values in sorted(ratios.items()):
        low, high = interval(values)
        print(f"{name[:52]:<52} {statistics.median(values):6.3f}  {low:.3f}–{high:.3f}  ({len(values)})")


def measure(folder: Path, benchmark: str, options: Sequence[str]) -> dict[str, float]:
    """Return the rows that the benchmark prints in that checkout: the first number behind each name."""
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{benchmark}", *options],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(folder)}, text=True, stdout=subprocess.PIPE, check=True,
    )  # fmt: skip
    found = (ROW.match(line) for line in done.stdout.splitlines())
    return {row["name"].strip(): float(row["value"].replace(",", "")) for row in found if row}


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the narrowest pair of order statistics that holds the median in at least 95% of all cases."""
    ordered, count = sorted(values), len(values)
    outside = 0.0
    for rank in range(count // 2):
        outside += 2 * math.comb(count, rank) / 2**count
        if outside > 0.05:
            place = max(rank, 1)
            return ordered[place - 1], ordered[-place]
    return ordered[0], ordered[-1]


if __name__ == "__main__":
    main()
