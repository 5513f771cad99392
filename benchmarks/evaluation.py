"""What Lethe adds to the pure unlearning: the demo's fine-tuning through the whole pipeline, and in one bare loop.

The loop is what a trusting host would write: one process, one run after the other, each on a fresh copy of the
network, followed by the outputs that Lethe stores. It is timed at one thread, as Lethe runs it, and at torch's own
default. Lethe runs with one slot (its overhead) and with one slot a core (its gain). As many loops at once as there
are cores, one thread each, show what the cores could give at most. Whole jobs alternate, so that
other load on the machine meets all of them: `python -m benchmarks.evaluation [--runs 32] [--rounds 3]`.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from importlib.resources import files
from pathlib import Path
from uuid import UUID

from benchmarks.goals import note
from lethe.evaluator.artifacts import ArtifactStore, open_store
from lethe.evaluator.bench.runs import Bench, make_job, run_seed
from lethe.evaluator.bench.sweep import Method
from lethe.evaluator.contract.specification import CompetitionSpec
from lethe.evaluator.contract.specification_file import load_specification
from lethe.evaluator.dependencies import open_layers
from lethe.evaluator.inference.service import InferenceService
from lethe.evaluator.pipeline import WorkerResources, evaluate
from lethe.evaluator.preparation import prepare
from lethe.evaluator.sandbox_pool import SandboxPool
from lethe.evaluator.settings import IndexSettings, LayerSettings

MOST_OVERHEAD = 0.15
LEAST_GAIN = 1.5
SOURCE = Path(str(files("lethe.baselines"))) / "finetune.py"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=32, help="runs of a job; the demo's have 32")
    parser.add_argument("--rounds", type=int, default=3, help="how often each of the five jobs is done")
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)), help="default: all of them")
    parser.add_argument("--specification", default="demo", help="a name or a file; default: demo")
    parser.add_argument("--bare", nargs=4, help=argparse.SUPPRESS)  # the bare loop, in its own process
    arguments = parser.parse_args()
    if arguments.bare:
        bare_loop(*arguments.bare)
        return
    with tempfile.TemporaryDirectory() as folder:
        compare(arguments.specification, Path(folder), arguments.runs, arguments.rounds, arguments.cores)


def compare(specification: str, folder: Path, runs: int, rounds: int, cores: int) -> None:
    """Do the five jobs in turn, `rounds` times, and print medians and ratios."""
    spec = load_specification(specification).with_seeds(lambda: 0)
    store = open_store(f"file://{folder / 'store'}")
    prepared = prepare(spec, store).public
    bench = Bench(spec=spec, split=prepared, store=store, runs=runs, seed=0)
    default = start_bare(spec, bench, store, folder, threads=0)
    single = [start_bare(spec, bench, store, folder, threads=1) for _ in range(cores)]
    jobs = {
        "bare loop, one thread": lambda: ask([single[0]], runs),
        "bare loop, torch's default threads": lambda: ask([default], runs),
        f"{cores} bare loops at once, one thread each": lambda: ask(single, runs),
        "Lethe, one slot": lambda: whole_job(bench, folder, slots=1),
        f"Lethe, {cores} slots": lambda: whole_job(bench, folder, slots=cores),
    }
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for round_ in range(-1, rounds):  # the first round warms up and does not count
        for name, job in jobs.items():
            taken = job()
            print(f"  {name}: {taken:.2f} s", file=sys.stderr, flush=True)
            if round_ >= 0:
                seconds[name].append(taken)
    for process in (default, *single):
        process.communicate(timeout=60)
    for resources in _STATIONS.values():
        resources.sandbox_pool.close()
        resources.inference.close()
    one, threads, loops, lethe, many = seconds.values()
    for name, values in seconds.items():
        print(f"{name:<40} {statistics.median(values):8.2f} s for {runs} runs")
    overhead = statistics.median(ours / theirs for ours, theirs in zip(lethe, one, strict=True)) - 1
    gain, most = (
        statistics.median(theirs / ours for ours, theirs in zip(values, threads, strict=True))
        for values in (many, loops)
    )
    note("evaluation", "overhead", 100 * overhead, "%", at_most=100 * MOST_OVERHEAD)
    note("evaluation", f"gain with {cores} slots", gain, at_least=LEAST_GAIN)
    note("evaluation", f"gain of {cores} bare loops at once", most)
    print(f"{'overhead, median of rounds':<40} {100 * overhead:8.1f} % (at most {100 * MOST_OVERHEAD:.0f} %)")
    print(f"{f'gain with {cores} slots, median of rounds':<40} {gain:8.2f} × (at least {LEAST_GAIN} × with two cores)")
    print(f"{f'gain of {cores} bare loops at once':<40} {most:8.2f} ×")


def whole_job(bench: Bench, folder: Path, *, slots: int) -> float:
    """Seconds of a job from claimed to stored: sandbox, transfer, outputs, artifacts. The jail is open already, as it
    is on a worker that serves a competition.
    """
    resources = station_of(bench, folder, slots)
    method = Method("finetune", {}, SOURCE.read_bytes())
    job = make_job(bench, method, UUID(int=0), range(bench.runs))
    started = time.perf_counter()
    done = evaluate(resources, job, interrupt=threading.Event(), finished=lambda _: None)
    taken = time.perf_counter() - started
    if done.fault is not None:
        raise RuntimeError(f"a run ended as {done.fault}")
    return taken


_STATIONS: dict[int, WorkerResources] = {}


def station_of(bench: Bench, folder: Path, slots: int) -> WorkerResources:
    """Resources with `slots`, kept; the warm-up round opens its jail."""
    if slots not in _STATIONS:
        settings = LayerSettings()
        inference = InferenceService(wall_s=60.0)
        inference.start()
        _STATIONS[slots] = WorkerResources(
            store=bench.store,
            sandbox_pool=SandboxPool(bench.store, folder / "cache", settings),
            layers=open_layers(settings, IndexSettings()),
            inference=inference,
            cache=folder / "cache",
            slots=slots,
        )
    return _STATIONS[slots]


def start_bare(
    spec: CompetitionSpec, bench: Bench, store: ArtifactStore, folder: Path, threads: int
) -> "subprocess.Popen[str]":
    """A process with the bare loop, waiting for work; `threads` 0 leaves torch its default."""
    refs = (bench.split.visible, bench.split.original, bench.split.evaluation)
    paths = [str(store.local_path(ref, folder / "cache")) for ref in refs]
    setting = {
        "architecture": spec.model.network.text,
        "classes": spec.data.classes,
        "batch_size": spec.evaluation.batch_size,
        "threads": threads,
    }
    command = [sys.executable, "-m", "benchmarks.evaluation", "--bare", *paths, json.dumps(setting)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def ask(processes: "list[subprocess.Popen[str]]", runs: int) -> float:
    """Seconds that the bare loops take for `runs` runs together: the longest time that one of them says."""
    for place, process in enumerate(processes):
        if process.stdin is None:
            raise RuntimeError("the bare loop has no pipes")
        process.stdin.write(f"{len(range(place, runs, len(processes)))}\n")
        process.stdin.flush()
    return max(float(process.stdout.readline()) for process in processes if process.stdout is not None)


def bare_loop(visible: str, original: str, evaluation: str, text: str) -> None:
    """For every number of runs on standard input, print the seconds that they took."""
    import copy

    import torch
    from safetensors.torch import load_file

    from lethe.baselines.finetune import unlearning
    from lethe.evaluator.data.loaders import make_loaders
    from lethe.evaluator.models import build_model

    setting = json.loads(text)
    if setting["threads"]:
        torch.set_num_threads(setting["threads"])
    tensors, images = load_file(visible), load_file(evaluation)
    network = build_model(setting["architecture"], setting["classes"])
    network.load_state_dict(load_file(original))
    network.eval()
    for line in sys.stdin:
        started = time.perf_counter()
        for index in range(int(line)):
            torch.manual_seed(run_seed(0, index))
            net = unlearning(copy.deepcopy(network), *make_loaders(tensors, setting["batch_size"]))
            with torch.inference_mode():
                for part in (name for name in images if name.endswith(".images")):
                    torch.cat([net(batch.float()) for batch in torch.split(images[part], setting["batch_size"])])
        print(time.perf_counter() - started, flush=True)


if __name__ == "__main__":
    main()
