"""Speed and memory of the metric beside a literal brute force of the published grid; long simulations of its intervals.

python -m benchmarks.metric                # speed, memory and intervals (minutes; the literal grid takes 3 GB)
python -m benchmarks.metric --measures exact # time of each measure (minutes)
python -m benchmarks.metric --simulate 400 # coverage and false positives, this many repetitions a row
"""

import argparse
import math
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from benchmarks.goals import note
from lethe.evaluator.metrics import (
    Pool,
    Rule,
    compare,
    competition_epsilon,
    evaluate,
    exact_epsilon,
    paired_difference,
)

if TYPE_CHECKING:
    from lethe.evaluator.measures.inputs import MeasureInputs

Floats = NDArray[np.float64]
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
RUNS = 512
EXAMPLES = 40
MIB = 2**20
INTERVAL_BOUND_S = 7.0
"""Bound for the `competition` score with its interval at N = 512 and 500 examples."""
ORDINARY_BOUND_S = 5e-3
EXTREME_BOUND_S = 8e-3
"""Bounds per example for `competition` at N = 512; the second for outliers and the widest possible range."""


def literal_epsilon(unlearned: Floats, retrained: Floats) -> float:
    """One example by the published grid the way the published code does it.

    Every rule against every margin in whole matrices, all four rates, nothing reused: 160,000 intervals by 2 N margins.
    """
    larger = np.median(retrained) > np.median(unlearned)
    positive, negative = (retrained, unlearned) if larger else (unlearned, retrained)
    low, high = min(positive.min(), negative.min()), max(positive.max(), negative.max())
    points = np.linspace(low, high, math.ceil(100 * (high - low))).astype(np.float32)
    by_threshold = _best(*_rates(positive, negative, lambda margins: margins[:, None] >= points[None, :]))

    inside, outside = (positive, negative) if np.ptp(positive) < np.ptp(negative) else (negative, positive)
    right, left = _intervals(inside)
    right, left = (np.tile(ends, (len(inside), 1)) for ends in (right, left))  # (N, rules)

    def contained(margins: Floats) -> NDArray[np.bool_]:
        tiled = np.tile(margins[:, None], (1, right.shape[1]))
        return (left <= tiled) & (tiled <= right)

    return max(by_threshold, _best(*_rates(inside, outside, contained)))


def lean_epsilon(unlearned: Floats, retrained: Floats) -> float:
    """The same by brute force without the waste: one right end at a time, and only the two rates that are needed."""
    larger = np.median(retrained) > np.median(unlearned)
    positive, negative = (retrained, unlearned) if larger else (unlearned, retrained)
    low, high = min(positive.min(), negative.min()), max(positive.max(), negative.max())
    best = -np.inf
    for point in np.linspace(low, high, math.ceil(100 * (high - low))).astype(np.float32):
        false, missed = (negative >= point).mean(dtype=np.float32), (positive < point).mean(dtype=np.float32)
        best = max(best, _best(np.array([false]), np.array([missed])))
    inside, outside = (positive, negative) if np.ptp(positive) < np.ptp(negative) else (negative, positive)
    right, left = _intervals(inside)
    for end, starts in zip(right[::400], left.reshape(-1, 400), strict=True):
        hit = ((inside[:, None] >= starts) & (inside[:, None] <= end)).mean(axis=0, dtype=np.float32)
        false = ((outside[:, None] >= starts) & (outside[:, None] <= end)).mean(axis=0, dtype=np.float32)
        best = max(best, _best(false, 1 - hit))
    return best


def _intervals(inside: Floats) -> tuple[Floats, Floats]:
    width = np.ptp(inside)
    low, high = inside.min() + width - 2, inside.max() + 2
    right = np.linspace(low, high, math.ceil(100 * (high - low)))
    left = np.concatenate([np.linspace(end - width - 2, end - width + 2, 400) for end in right])
    return np.repeat(right, 400), left


def _rates(
    positive: Floats, negative: Floats, called: Callable[[Floats], NDArray[np.bool_]]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """False positive and false negative rates of all rules; the two true rates are found and dropped, as published."""
    rates = [
        decision.astype(np.float32).mean(axis=0)
        for decision in (called(positive), ~called(positive), called(negative), ~called(negative))
    ]
    return rates[2], rates[1]


def _best(false_positive: NDArray[np.float32], false_negative: NDArray[np.float32]) -> float:
    fp, fn = false_positive, false_negative
    with np.errstate(divide="ignore", invalid="ignore"):
        one = np.float32(1 - 1e-5)
        epsilon = np.fmax(np.log(one - fp) - np.log(fn), np.log(one - fn) - np.log(fp))
    epsilon[(fp == 0) != (fn == 0)] = -np.inf
    return float(np.clip(np.nan_to_num(epsilon, nan=-np.inf).max(), 0, 50))


KINDS: dict[str, Callable[[np.random.Generator, int], tuple[Floats, Floats]]] = {
    "ordinary margins": lambda g, e: (g.normal(0.5, 1, (RUNS, e)), g.normal(0, 1, (RUNS, e))),
    "wide margins (sd 4)": lambda g, e: (g.normal(2, 4, (RUNS, e)), g.normal(0, 4, (RUNS, e))),
    "outliers in both pools": lambda g, e: (_outliers(g, e), _outliers(g, e)),
    "widest range (±103.6)": lambda g, e: (g.uniform(-103.6, 103.6, (RUNS, e)), g.uniform(-103.6, 103.6, (RUNS, e))),
    "many ties (one decimal)": lambda g, e: (g.normal(0.5, 1, (RUNS, e)).round(1), g.normal(0, 1, (RUNS, e)).round(1)),
}

EXTREME = {"outliers in both pools", "widest range (±103.6)"}


def _outliers(generator: np.random.Generator, examples: int) -> Floats:
    margins = generator.normal(0, 1, (RUNS, examples))
    margins[:4] = generator.uniform(-100, 100, (4, examples))
    return margins


def speed(kinds: Sequence[str] = tuple(KINDS)) -> None:
    """Our two rules on each kind of margins beside the two grids."""
    print(f"One example at N = {RUNS}, one core, median of {EXAMPLES // 4} blocks of 4 examples (literal: 1 example)")
    rules = f"{'margins':26}{'competition':>14}{'bound':>8}{'exact':>10}"
    print(f"{rules}{'literal grid':>14}{'ratio':>8}{'lean grid':>12}{'ratio':>7}")
    for name in kinds:
        draw = KINDS[name]
        unlearned, retrained = draw(np.random.default_rng(0), EXAMPLES)
        bound = EXTREME_BOUND_S if name in EXTREME else ORDINARY_BOUND_S
        ours, exact = (_per_example_s(rule, unlearned, retrained) for rule in (competition_epsilon, exact_epsilon))
        slow, literal = _timed(literal_epsilon, unlearned[:, 0], retrained[:, 0])
        lean_s, lean = _timed(lean_epsilon, unlearned[:, 0], retrained[:, 0])
        answer = competition_epsilon(unlearned[:, :1], retrained[:, :1])[0]
        if max(abs(answer - literal), abs(answer - lean)) > 1e-6:
            raise SystemExit(f"{name}: {answer} is not what the grids answer ({literal}, {lean})")
        note("metric", f"{name}, an example", ours * 1e3, "ms", at_most=bound * 1e3)
        note("metric", f"{name}, literal grid over it", slow / ours)
        print(
            f"{name:26}{ours * 1e3:11.2f} ms{bound * 1e3:5.0f} ms{exact * 1e3:7.2f} ms{slow:12.2f} s{slow / ours:8.0f}"
            f"{lean_s:10.2f} s{lean_s / ours:7.0f}"
        )


def _per_example_s(rule: Callable[[Floats, Floats], Floats], unlearned: Floats, retrained: Floats) -> float:
    rule(unlearned[:, :1], retrained[:, :1])  # fills the tables of rates
    if rule is exact_epsilon:  # works on many examples at a time
        return float(min(_timed(rule, unlearned, retrained)[0] for _ in range(5)) / unlearned.shape[1])
    blocks = [slice(start, start + 4) for start in range(0, unlearned.shape[1], 4)]
    return float(np.median([_timed(rule, unlearned[:, block], retrained[:, block])[0] for block in blocks])) / 4


def _timed(
    call: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
) -> tuple[float, Result]:
    start = time.perf_counter()
    result = call(*args, **kwargs)
    return time.perf_counter() - start, result


def intervals() -> None:
    print(f"\nScore with its interval, {RUNS} runs × {RUNS} oracles × 500 examples, one core")
    generator = np.random.default_rng(1)
    pools = [Pool(margins=generator.normal(shift, 1, (RUNS, 500))) for shift in (0.5, 0.0)]
    for rule in get_args(Rule):
        seconds, score = _timed(partial(evaluate, *pools, rule=rule))
        bound = INTERVAL_BOUND_S if rule == "competition" else None
        note("metric", f"{rule}, score with its interval", seconds, "s", at_most=bound)
        low, high = score.interval
        print(f"{rule:14}{seconds:7.1f} s    {score.final_score:.4f} in [{low:.4f}, {high:.4f}]")


def memory() -> None:
    print(f"\nPeak memory of a fresh process with its interpreter, {RUNS} × {RUNS} × 1,000 examples × 10 classes")
    for rule in get_args(Rule):
        command = [sys.executable, "-m", "benchmarks.metric", "--peak", rule]
        peak = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        print(f"{rule:14}{peak / MIB:7.0f} MiB, logits to score and interval")


def peak(rule: Rule) -> None:
    """Print the peak resident bytes of scoring logits of full size; runs in a process of its own."""
    from lethe.evaluator.metrics import margins

    generator = np.random.default_rng(0)
    labels = generator.integers(0, 10, 1_000)
    pools = []
    for _ in range(2):
        logits = generator.standard_normal((RUNS, 1_000, 10), dtype=np.float32)
        pools.append(Pool(margins=margins(logits, labels)))
        del logits
    evaluate(*pools, rule=rule)
    print(_peak_bytes())


def _peak_bytes() -> int:
    # Not getrusage: there a child starts with the peak of the process that started it.
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def every_measure() -> None:
    for rule in get_args(Rule):
        command = [sys.executable, "-m", "benchmarks.metric", "--measures", rule]
        subprocess.run(command, check=True)


def time_measures(rule: Rule, models: int = RUNS, images: int = 1_000) -> None:
    """Processor time of each measure without and with its interval; what several share counts for the first of them."""
    from lethe.evaluator.measures.registry import measures

    print(f"\nMeasures under `{rule}`, {models} × {models} × {images:,} images of each part × 10 classes, one core")
    print(f"{'measure':32}{'value':>10}{'with interval':>16}", flush=True)
    inputs = _measure_inputs(rule, models, images)
    fresh = replace(inputs)  # has computed nothing
    totals = np.zeros(2)
    for name, one in measures().items():
        seconds = []
        for given, intervals in ((inputs, False), (fresh, True)):
            start = time.process_time()
            measured = one.of(given, intervals=intervals)
            seconds.append(time.process_time() - start)
        totals += seconds
        print(f"{name:32}{seconds[0]:8.2f} s{seconds[1]:14.2f} s  {measured.absent}", flush=True)
    memory = _peak_bytes() / MIB
    print(f"{'all':32}{totals[0]:8.1f} s{totals[1]:14.1f} s  peak memory {memory:.0f} MiB")
    note("metric", f"measures, {rule}", totals[0], "s", at_most=60)
    note("metric", f"measures, intervals, {rule}", totals[1], "s", at_most=300)
    note("metric", f"measures, memory, {rule}", memory, "MiB", at_most=4096)


def _measure_inputs(rule: Rule, models: int, images: int) -> "MeasureInputs":
    """Everything that measures know of, drawn at random; ten images a person."""
    from lethe.evaluator.measures.inputs import MeasureInputs
    from lethe.evaluator.metrics import margins

    draw = np.random.default_rng(0)
    parts = ("forget", "retain", "test")
    labels = {part: draw.integers(0, 10, images) for part in parts}

    def logits(certainty: float) -> dict[str, NDArray[np.float32]]:
        found = {part: draw.standard_normal((models, images, 10), dtype=np.float32) for part in parts}
        for part in parts:
            found[part][:, np.arange(images), labels[part]] += certainty
        return found

    ours, theirs = logits(2.5), logits(2.0)
    pairs = {part: (margins(ours[part], labels[part]), margins(theirs[part], labels[part])) for part in parts}
    accuracies = {part: tuple((side > 0).mean(axis=1) for side in pair) for part, pair in pairs.items()}
    people = np.arange(images) // 10
    score = evaluate(*(Pool(margins=side) for side in pairs["forget"]), rule="exact", identities=people)
    return MeasureInputs(
        margins=pairs,
        accuracies=accuracies,
        rule=rule,
        identities=people,
        original=pairs["forget"][0].mean(axis=0),
        logits=ours,
        oracle_logits=theirs,
        labels=labels,
        resources={name: draw.uniform(1, 2, models) for name in ("wall_s", "processor_s", "peak_memory_bytes")},
        training_s=draw.uniform(10, 20, models),
        score=score,
        ceiling=score,
    )


def simulate(repetitions: int) -> None:
    """Coverage of the interval, false positives of both comparisons, for correlated and uncorrelated examples."""
    header = (
        f"{'rule':12}{'N':>4}{'rho':>5}{'shift':>6}{'sd':>5}{'mean F':>8}{'covered':>9}{'paired':>8}{'permuted':>10}"
    )
    print(f"{repetitions} repetitions a row (permutation test: a quarter of them)\n{header}", flush=True)
    examples_of: dict[Rule, int] = {"exact": 24, "competition": 6}
    for rule, examples in examples_of.items():
        for runs in (32, 64):
            for rho in (0.0, 0.3):
                for shift, scale in ((0.0, 1.0), (0.5, 1.0), (1.0, 1.0), (0.0, 0.6)):
                    _simulate_row(rule, runs, examples, rho, shift, scale, repetitions)


def _simulate_row(
    rule: Rule, runs: int, examples: int, rho: float, shift: float, scale: float, repetitions: int
) -> None:
    generator = np.random.default_rng([runs, round(10 * rho), round(10 * shift), round(10 * scale)])

    def draw(mean: float, deviation: float) -> Pool:
        shared, own = generator.normal(size=(runs, 1)), generator.normal(size=(runs, examples))
        return Pool(margins=mean + deviation * (math.sqrt(rho) * shared + math.sqrt(1 - rho) * own))

    pairs, permuted = [], []
    for repetition in range(repetitions):
        bank, first, second = draw(0.0, 1.0), draw(shift, scale), draw(shift, scale)
        pairs.append(tuple(evaluate(pool, bank, rule=rule) for pool in (first, second)))
        if repetition % 4 == 0:
            permuted.append(compare(first, second, bank, rule=rule, permutations=39).p_value <= 0.05)
    truth = float(np.mean([score.final_score for pair in pairs for score in pair]))
    covered = np.mean([low <= truth <= high for pair in pairs for low, high in (score.interval for score in pair)])
    paired = np.mean([paired_difference(*pair).significant for pair in pairs])
    print(
        f"{rule:12}{runs:4}{rho:5.1f}{shift:6.1f}{scale:5.1f}{truth:8.3f}{covered:9.3f}{paired:8.3f}"
        f"{np.mean(permuted):10.3f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Benchmarks of the metric")
    parser.add_argument("--quick", action="store_true", help="one kind of margins, and no more")
    parser.add_argument("--simulate", type=int, metavar="REPETITIONS")
    parser.add_argument("--measures", choices=get_args(Rule), help="time of each measure, under this rule")
    parser.add_argument("--peak", choices=get_args(Rule), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak:
        peak(options.peak)
    elif options.measures:
        time_measures(options.measures)
    elif options.simulate:
        simulate(options.simulate)
    elif options.quick:
        speed(tuple(KINDS)[:1])
        time_measures("exact", models=32, images=40)
    else:
        speed()
        intervals()
        memory()
        every_measure()


if __name__ == "__main__":
    main()
