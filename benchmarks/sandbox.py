"""What a run costs: a no-op in the zygote against a fresh import of torch, and training inside against outside.

Run it with nothing else on the machine: `python -m benchmarks.sandbox [--runs 64] [--fresh 3] [--pairs 25]`.
"""

import argparse
import os
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.goals import note
from lethe.sandbox import Policy, RunResult, Sandbox, Setup, Status, open_sandbox
from lethe.sandbox.jail import environment_of

HARNESS = """
import struct
import time

import torch
import torch._dynamo  # what the first optimizer would import
from torch import nn

from lethe.sandbox.guest import define


def load(inputs):
    torch.manual_seed(0)  # as the evaluator's harness does: the first call reads torch's sources


def run(context, source, filename, function, seed):
    torch.manual_seed(seed)
    called = define(source, filename, function)
    started = time.perf_counter()
    called()
    return struct.pack("!d", time.perf_counter() - started)
"""
FULL = 512  # the runs of a full competition
NOTHING = b"def f(): pass\n"
TRAINING = b"""
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def f():
    net = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 32, 3, stride=2, padding=1),
        nn.BatchNorm2d(32), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(512, 10),
    )
    loader = DataLoader(TensorDataset(torch.randn(640, 3, 32, 32), torch.randint(0, 10, (640,))), 64, shuffle=True)
    optimizer = torch.optim.Adam(net.parameters())
    for _ in range(3):
        for images, labels in loader:
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(images), labels).backward()
            optimizer.step()
"""
OUTSIDE = """
import os, sys
sys.path.insert(0, sys.argv[1])
import heavy
from pathlib import Path
source = Path(sys.argv[1], "training.py").read_bytes()
for line in sys.stdin:
    if os.fork() == 0:
        print(heavy.run(None, source, "training.py", "f", int(line)).hex(), flush=True)
        os._exit(0)
    os.wait()
"""
POLICY = Policy(wall_s=120.0, threads=1)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=64, help="no-op runs in the zygote")
    parser.add_argument("--full", type=int, default=FULL, help="no-op runs for the time of a full competition")
    parser.add_argument("--fresh", type=int, default=3, help="fresh processes that import torch")
    parser.add_argument("--pairs", type=int, default=25, help="trainings inside and outside, one after the other")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "heavy.py").write_text(HARNESS, encoding="utf-8")
        (Path(folder) / "training.py").write_bytes(TRAINING)
        setup = Setup(harness={"heavy.py": Path(folder) / "heavy.py"}, harness_module="heavy")
        started = time.perf_counter()
        with open_sandbox(setup, POLICY) as sandbox:
            row("start of the sandbox, once", time.perf_counter() - started, "s")
            print(f"mode: {sandbox.mode}")
            no_op_s = measure_no_op(sandbox, arguments.runs)
            full, cores = arguments.full, os.cpu_count() or 1
            row(f"{full} no-op runs, one after the other", run_all(sandbox, full, 1), "s")
            row(f"{full} no-op runs, {cores} at a time", run_all(sandbox, full, cores), "s")
            fresh_s = statistics.median(fresh_import() for _ in range(arguments.fresh))
            row("fresh process that imports torch, median", fresh_s, "s")
            row("ratio", fresh_s / no_op_s, "times")
            note("sandbox", "no-op run", 1e3 * no_op_s, "ms", at_most=30)
            note("sandbox", "import of torch over a no-op run", fresh_s / no_op_s)
            compare_training(sandbox, Path(folder), arguments.pairs)


def measure_no_op(sandbox: Sandbox, runs: int) -> float:
    """Median seconds of one no-op run, seen from the host; prints it with the 95th percentile and the memory."""
    times, peak = [], None
    for seed in range(runs):
        started = time.perf_counter()
        result = finished(sandbox.run(NOTHING, function="f", seed=seed))
        times.append(time.perf_counter() - started)
        peak = result.peak_memory_bytes
    row("no-op run in the zygote, median", statistics.median(times) * 1e3, "ms")
    row("no-op run in the zygote, 95th percentile", sorted(times)[int(0.95 * len(times))] * 1e3, "ms")
    if peak is not None:
        row("memory of a no-op run on top of the zygote", peak / 2**20, "MiB")
    return statistics.median(times)


def run_all(sandbox: Sandbox, runs: int, slots: int) -> float:
    """Seconds that `runs` no-op runs take, `slots` at a time."""
    started = time.perf_counter()
    with ThreadPoolExecutor(slots) as pool:
        for result in pool.map(lambda seed: sandbox.run(NOTHING, function="f", seed=seed), range(runs)):
            finished(result)
    return time.perf_counter() - started


def fresh_import() -> float:
    """Seconds of a new interpreter that imports torch and does nothing."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import torch"], check=True, env=environment_of(POLICY))
    return time.perf_counter() - started


def compare_training(sandbox: Sandbox, folder: Path, pairs: int) -> None:
    """Print how much longer the same training takes inside than in a plain fork with the same environment."""
    checkout = str(Path(__file__).resolve().parents[1])
    environment = {**environment_of(POLICY), "PYTHONPATH": checkout}
    command = [sys.executable, "-c", OUTSIDE, str(folder)]
    ratios, inside_times = [], []
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as outside:
        if outside.stdin is None or outside.stdout is None:
            raise RuntimeError("the process outside has no pipes")
        for seed in range(pairs):
            inside_s = seconds(finished(sandbox.run(TRAINING, function="f", seed=seed)).payload or b"")
            outside.stdin.write(f"{seed}\n")
            outside.stdin.flush()
            outside_s = seconds(bytes.fromhex(outside.stdout.readline()))
            ratios.append(inside_s / outside_s)
            inside_times.append(inside_s)
        outside.stdin.close()
    row("training inside, median", statistics.median(inside_times), "s")
    slower = (statistics.median(ratios) - 1) * 100
    row("training inside over outside, median of pairs", slower, "%")
    note("sandbox", "training inside over outside", slower, "%", at_most=2)


def seconds(payload: bytes) -> float:
    """The eight bytes that the harness returns."""
    return float(struct.unpack("!d", payload)[0])


def finished(result: RunResult) -> RunResult:
    """`result`, if it is one that counts."""
    if result.status is not Status.OK:
        raise RuntimeError(f"a run ended as {result.status}: {result.error}")
    return result


def row(name: str, value: float, unit: str) -> None:
    """Print one line of the table."""
    print(f"{name:<50} {value:>9.2f} {unit}")


if __name__ == "__main__":
    main()
