"""Every benchmark of `make bench`, for seconds: it ends, and what it found stands in the table."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import BENCHMARKS

pytestmark = [pytest.mark.component("postgresql", "redis", "bubblewrap", "chromium", "wrk"), pytest.mark.timeout(600)]


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_ends_in_the_table(name: str) -> None:
    command = [sys.executable, "-m", "benchmarks", "--quick", name]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    table = done.stdout.partition("\nbenchmark ")[2].splitlines()
    assert table[0].split() == ["figure", "found", "unit", "goal"]
    assert table[1:]
    assert {row.split()[0] for row in table[1:]} == {name}
    assert max(len(row) for row in table) <= 80


def test_a_benchmark_that_does_not_exist_is_named() -> None:
    done = subprocess.run([sys.executable, "-m", "benchmarks", "speed"], text=True, capture_output=True, check=False)
    assert done.returncode == 2
    assert "there is no benchmark speed; choose from metric, sandbox" in done.stderr
