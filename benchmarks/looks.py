"""What looks would stop wrongly, and what they would save: a simulation of uploads, and of seasons of a team.

`python -m benchmarks.looks` draws margins as the metric sees them; nothing is trained. A submission is *truly better*
when its expected score at N exceeds the expected score of the file that the noisy board calls its team's best: the
highest of eight equal ones. Banks, best and strengths of the families are drawn in blocks that are stored under
`--folder`; the same command continues from them. docs/metric.md quotes it.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from benchmarks.goals import note
from lethe.evaluator.metrics.competition import CAP, competition_supremum
from lethe.evaluator.metrics.exact import _epsilon_table
from lethe.evaluator.metrics.looks import Estimate, Look, look, stops
from lethe.evaluator.metrics.pool import Floats
from lethe.evaluator.metrics.quality import Rule, example_quality
from lethe.evaluator.metrics.uncertainty import GROUPS

LOOKS = {512: (64, 128, 256), 128: (32, 64)}
FAMILIES = ("shift", "remembered", "narrow", "wide", "utility")
STRENGTHS = {
    "shift": np.linspace(0, 1.0, 10) ** 1.5 * 2.5,
    "remembered": np.linspace(0, 1, 10),
    "narrow": np.linspace(0, 0.9, 10),
    "wide": np.linspace(0, 1, 10) ** 2 * 8,
}
DISTANCES = (0.0, 0.5, 1.0, 2.0)
LEVELS = (0.5, 0.95)
"""Expected score of the best, as a part of the ceiling; at 0.95 a file that remembers 5% of the images is as good."""

PRIORS = 8
RETAIN_ACCURACY = 0.95
SCREEN = 0.7
"""An error is computed only for candidates that are this many typical errors worse than the best; a stop needs
more than two of its own errors, and hardly an error of 15 degrees of freedom comes out so much too small."""

COLUMNS = 1024


@dataclass(frozen=True)
class Setting:
    """A rule with its numbers of runs and oracles, and of forget images."""

    rule: Rule
    runs: int
    examples: int

    @property
    def looks(self) -> tuple[int, ...]:
        return LOOKS[self.runs]

    @property
    def name(self) -> str:
        return f"{self.rule}-{self.runs}-{self.examples}"


@dataclass(frozen=True, eq=False)
class Files:
    """Margins (S, n, E) and retain accuracies (S, n) of the runs of S files."""

    margins: Floats
    accuracy: Floats

    def first(self, runs: int) -> "Files":
        return Files(self.margins[:, :runs], self.accuracy[:, :runs])

    def split(self, runs: int) -> "Files":
        """Return as many files of `runs` runs as one file has."""
        examples = self.margins.shape[-1]
        return Files(self.margins.reshape(-1, runs, examples), self.accuracy.reshape(-1, runs))

    def take(self, rows: Any) -> "Files":
        return Files(self.margins[rows], self.accuracy[rows])


def draw(generator: np.random.Generator, family: str, strength: float, count: int, runs: int, examples: int) -> Files:
    """Return the runs of `count` files of a family; half of the variance of a margin is common to its run."""
    common = generator.normal(size=(count, runs, 1))
    margins = (common + generator.normal(size=(count, runs, examples))) / np.sqrt(2)
    accuracy = np.full((count, runs), RETAIN_ACCURACY) + 0.005 * generator.normal(size=(count, runs))
    match family:
        case "shift":
            margins = margins + strength
        case "remembered":
            margins = margins + 6 * np.clip(strength * examples - np.arange(examples), 0, 1)
        case "narrow":
            margins = margins * (1 - strength)
        case "wide":
            margins = margins * (1 + strength)
        case "utility":
            accuracy = accuracy * (1 - strength)
    return Files(margins, accuracy)


class Bank:
    """Oracles that files are scored against; margins (N, E) and accuracies (N,)."""

    def __init__(self, setting: Setting, files: Files) -> None:
        self.setting = setting
        self.margins, self.accuracy = files.margins[0], files.accuracy[0]

    def final(self, files: Files) -> Floats:
        """Return the final scores (S,)."""
        runs = files.margins.shape[1]
        final: Floats = self._quality(files, None) * self._ratio(files.accuracy, self._oracles(runs))
        return final

    def estimate(self, files: Files) -> Estimate:
        """Return the final scores (S,) and their replicates (S, 16)."""
        runs = files.margins.shape[1]
        replicates = np.empty((len(files.margins), GROUPS))
        theirs = self._oracles(runs)
        for group in range(GROUPS):
            kept = np.arange(runs) % GROUPS != group
            left = theirs[np.arange(len(theirs)) % GROUPS != group]
            replicates[:, group] = self._quality(files, group) * self._ratio(files.accuracy[:, kept], left)
        return Estimate(final=self.final(files), replicates=replicates)

    def _oracles(self, runs: int) -> Floats:
        oracles: Floats = self.accuracy[:runs] if self.setting.rule == "competition" else self.accuracy
        return oracles

    def _ratio(self, accuracy: Floats, oracles: Floats) -> Floats:
        ratio: Floats = np.minimum(1.0, accuracy.mean(axis=1) / oracles.mean())
        return ratio

    def _quality(self, files: Files, group: int | None) -> Floats:
        by_rule = self._competition if self.setting.rule == "competition" else self._exact
        return by_rule(files, group)

    def _competition(self, files: Files, group: int | None) -> Floats:
        runs = files.margins.shape[1]
        kept = np.arange(runs) % GROUPS != (-1 if group is None else group)
        oracles = self.margins[:runs][kept]
        result = np.empty(len(files.margins))
        for row, margins in enumerate(files.margins):
            epsilon = np.clip(competition_supremum(margins[kept], oracles), 0, CAP)
            result[row] = example_quality(epsilon, rule="competition", runs=kept.sum(), oracles=kept.sum()).mean()
        return result

    @cached_property
    def _sorted(self) -> tuple[Floats, NDArray[np.int16]]:
        """Sorted oracles (E, N), and how many of group g are among the first p: (16, N + 1, E)."""
        order = np.argsort(self.margins, axis=0)
        labels = order % GROUPS  # (N, E)
        among = np.zeros((GROUPS, len(labels) + 1, labels.shape[1]), np.int16)
        for group in range(GROUPS):
            among[group, 1:] = np.cumsum(labels == group, axis=0)
        return np.ascontiguousarray(np.sort(self.margins, axis=0).T), among

    def _exact(self, files: Files, group: int | None) -> Floats:
        """Return the mean quality under `exact`, of margins without ties, for all files at once.

        A block that favours the oracles reaches from one run to another, both outside; one that favours the runs
        begins and ends at one. So only the number of oracles below each run matters, and the lag between two runs.
        """
        ordered, among = self._sorted
        count, runs, examples = files.margins.shape
        order = np.argsort(files.margins, axis=1)
        margins = np.take_along_axis(files.margins, order, axis=1)
        below = np.empty((runs, count, examples), np.int16)
        for image in range(examples):
            below[:, :, image] = np.searchsorted(ordered[image], margins[:, :, image].ravel()).reshape(count, runs).T
        oracles = ordered.shape[1]
        if group is not None:
            oracles -= int(among[group, -1, 0])
            below = below - among[group][below, np.arange(examples)]
            outside = np.moveaxis(order, 1, 0) % GROUPS != group  # (runs, S, E), as many for every column
            runs = int(outside[:, 0, 0].sum())
            below = np.moveaxis(below, 0, 2)[np.moveaxis(outside, 0, 2)].reshape(count, examples, runs)
            below = np.moveaxis(below, 2, 0)
        columns = below.reshape(runs, -1)
        epsilon = np.concatenate(
            [
                _best_block(np.ascontiguousarray(columns[:, start : start + COLUMNS]), oracles)
                for start in range(0, columns.shape[1], COLUMNS)
            ]
        )
        quality = example_quality(epsilon, rule="exact", runs=runs, oracles=oracles)
        means: Floats = quality.reshape(count, examples).mean(axis=1)
        return means


def _best_block(below: NDArray[np.int16], oracles: int) -> Floats:
    """Return epsilon (C,), from how many of `oracles` oracles are below each of the sorted runs (n, C)."""
    runs, columns = below.shape
    table = _epsilon_table(oracles, runs)
    ends = np.vstack([np.zeros((1, columns), np.int16), below, np.full((1, columns), oracles, np.int16)])
    most = np.empty((runs + 1, columns), np.int16)  # with exactly m runs inside
    fewest = np.empty((runs, columns), np.int16)  # with exactly m + 1 runs inside
    for inside in range(runs + 1):
        np.max(ends[inside + 1 :] - ends[: runs + 1 - inside], axis=0, out=most[inside])
    for inside in range(runs):
        np.min(below[inside:] - below[: runs - inside], axis=0, out=fewest[inside])
    favouring_oracles = table[most, np.arange(runs + 1)[:, None]].max(axis=0)
    favouring_runs = table[fewest, np.arange(1, runs + 1)[:, None]].max(axis=0)
    best: Floats = np.maximum(favouring_oracles, favouring_runs)
    return best


class Levels:
    """The strength at which a family has a given expected score at N, by simulation; kept in a file."""

    def __init__(self, setting: Setting, folder: Path, *, banks: int) -> None:
        file = folder / f"levels-{setting.name}.json"
        if not file.exists():
            file.write_text(json.dumps(self._simulate(setting, banks)), encoding="utf-8")
        self._found = json.loads(file.read_text(encoding="utf-8"))
        self.ceiling: float = self._found["shift"][0]
        self.error: float = self._found["error"]

    def strength(self, family: str, score: float) -> float:
        """Return the strength of the family with this expected score; raises ValueError where it has none."""
        if not 0 < score <= self.ceiling:
            raise ValueError(f"no file of the simulation has an expected score of {score:.3f}")
        if family == "utility":
            return 1 - score / self.ceiling
        scores = np.minimum.accumulate(np.array(self._found[family]))
        if score < scores[-1]:
            raise ValueError(f"{family} ends at {scores[-1]:.3f}")
        return float(np.interp(-score, -scores, STRENGTHS[family]))

    @staticmethod
    def _simulate(setting: Setting, banks: int) -> dict[str, Any]:
        """Expected scores by family and strength, over the same banks and the same noise; and the error of a score."""
        sums = {family: np.zeros(len(values)) for family, values in STRENGTHS.items()}
        spread = []
        for number in range(banks):
            bank = Bank(
                setting, draw(np.random.default_rng([0, number]), "shift", 0, 1, setting.runs, setting.examples)
            )
            for family, strengths in STRENGTHS.items():
                for place, strength in enumerate(strengths):
                    generator = np.random.default_rng([1, number])
                    files = draw(generator, family, float(strength), 4, setting.runs, setting.examples)
                    scores = bank.final(files)
                    sums[family][place] += scores.mean()
                    if family == "shift" and place == 4:
                        spread.append(scores.var(ddof=1))
        means = {family: [float(value) for value in total / banks] for family, total in sums.items()}
        perfect = float(np.mean([values[0] for values in means.values()]))
        for values in means.values():
            values[0] = perfect
        return means | {"error": float(np.sqrt(np.mean(spread)))}


class World:
    """A bank with its ceiling, and what is known of a best of one team."""

    def __init__(self, setting: Setting, generator: np.random.Generator) -> None:
        self.setting, self.generator = setting, generator
        self.bank = Bank(setting, self._draw("shift", 0, 1))
        others = self._draw("shift", 0, 1)
        ceiling = self.bank.final(others).mean()
        self.growth = {runs: float(self.bank.final(others.split(runs)).mean() / ceiling) for runs in setting.looks}

    def _draw(self, family: str, strength: float, count: int, runs: int | None = None) -> Files:
        return draw(self.generator, family, strength, count, runs or self.setting.runs, self.setting.examples)

    def references(self, best: Files) -> dict[int, Estimate]:
        """Return the estimates of a best (one file) at all looks and at N."""
        return {runs: self.bank.estimate(best.first(runs)) for runs in (*self.setting.looks, self.setting.runs)}

    def look(self, candidates: Files, references: dict[int, Estimate], runs: int) -> Look:
        """Compare the candidates' first runs with the best's."""
        kept = candidates.first(runs)
        reference = references[runs]
        final = self.bank.final(kept)
        replicates = np.full((len(final), GROUPS), np.nan)
        typical = float(np.std(reference.replicates) * (GROUPS - 1) ** 0.5 * 2**0.5)
        far = np.flatnonzero(final - reference.final < -SCREEN * typical)
        if len(far):
            replicates[far] = self.bank.estimate(kept.take(far)).replicates
        found = Estimate(final=final, replicates=replicates)
        return look(found, reference, best_at_end=references[self.setting.runs], growth=self.growth[runs])


def simulate_world(setting: Setting, levels: Levels, number: int, equal: int) -> NDArray[np.float64]:
    """Return a row for each candidate: world, level, family of the best, family, distance, then 4 numbers a look."""
    generator = np.random.default_rng([2, setting.runs, setting.rule == "exact", number])
    level, best_family = LEVELS[number % 2], FAMILIES[number // 2 % len(FAMILIES)]
    world = World(setting, generator)
    score = level * levels.ceiling
    priors = world._draw(best_family, levels.strength(best_family, score), PRIORS)
    best = int(np.argmax(world.bank.final(priors)))
    references = world.references(priors.take([best]))
    rows, files = [], []
    for place, family in enumerate(FAMILIES):
        for distance in DISTANCES:
            try:
                strength = levels.strength(family, score + distance * levels.error)
            except ValueError:
                continue
            count = equal if distance == 0 else max(1, equal // 2)
            files.append(world._draw(family, strength, count, setting.looks[-1]))
            rows += [(number, level, FAMILIES.index(best_family), place, distance)] * count
    candidates = Files(np.concatenate([f.margins for f in files]), np.concatenate([f.accuracy for f in files]))
    found = []
    for runs in setting.looks:
        one = world.look(candidates, references, runs)
        found += [one.difference, one.standard_error, one.shortfall, one.shortfall_error]
    return np.column_stack([np.array(rows), *found])


SEASON = 30
BETTER = (0.05, 0.2, 0.5)


def simulate_season(setting: Setting, levels: Levels, number: int, better: float) -> dict[str, float]:
    """Play a team's season of 30 uploads with and without looks, on the same runs.

    The first has a fifth of the ceiling. Each later one is truly better with probability `better`, by up to 30% of what
    is missing to the ceiling; otherwise it loses a part between nothing and all, evenly. Its family is drawn evenly.
    """
    generator = np.random.default_rng([3, setting.runs, setting.rule == "exact", number, round(100 * better)])
    world = World(setting, generator)
    boards = {name: Board(0.0, -1.0, None) for name in ("whole", "looks")}
    runs_used, stopped, wrong = 0, 0, 0
    truth = 0.2 * levels.ceiling
    for upload in range(SEASON):
        base = boards["looks"].truth or truth
        is_better = upload > 0 and generator.random() < better
        gain = generator.random()
        target = base + 0.3 * gain * (levels.ceiling - base) if is_better else base * (1 - gain)
        target = truth if upload == 0 else max(target, 0.02 * levels.ceiling)
        family = FAMILIES[generator.integers(len(FAMILIES))]
        try:
            strength = levels.strength(family, target)
        except ValueError:
            family, strength = "utility", levels.strength("utility", target)
        files = world._draw(family, strength, 1)
        used = setting.runs
        board = boards["looks"]
        if board.best is not None:
            board.references = board.references or world.references(board.best)
            for runs in setting.looks:
                found = world.look(files, board.references, runs)
                if stops(found, runs=runs, runs_total=setting.runs).item():
                    used = runs
                    break
        runs_used += used
        score = float(world.bank.final(files)[0])
        if used < setting.runs:
            stopped += 1
            wrong += target > board.truth
        boards["whole"].add(target, score, files)
        if used == setting.runs:
            board.add(target, score, files)
    whole, early = boards["whole"], boards["looks"]
    return {
        "runs": runs_used / (SEASON * setting.runs),
        "stopped": stopped,
        "wrong": wrong,
        "differs": float(whole.score != early.score),
        "lost": whole.score - early.score,
        "lost_truth": whole.truth - early.truth,
    }


@dataclass
class Board:
    """A team's best: its expected score, the score that it got, its runs, and its estimates once they are needed."""

    truth: float
    score: float
    best: Files | None
    references: dict[int, Estimate] | None = None

    def add(self, truth: float, score: float, files: Files) -> None:
        if score > self.score:
            self.truth, self.score, self.best, self.references = truth, score, files, None


def wrong_stops(setting: Setting, rows: NDArray[np.float64]) -> Iterator[dict[str, Any]]:
    """Yield how many of the truly better or equal candidates stop, by distance and look, and of the worst pair."""
    stopped = np.zeros((len(setting.looks), len(rows)), bool)
    for place, runs in enumerate(setting.looks):
        stopped[place] = stops(_look(rows, place), runs=runs, runs_total=setting.runs)
    for distance in DISTANCES:
        at = rows[:, 4] == distance
        pairs = rows[at][:, 1:4]
        any_look: NDArray[np.bool_] = np.any(stopped[:, at], axis=0)
        worst = max(
            ((float(any_look[(pairs == pair).all(axis=1)].mean()), tuple(pair)) for pair in np.unique(pairs, axis=0)),
            default=(0.0, ()),
        )
        yield {
            "distance": distance,
            "draws": int(at.sum()),
            "by_look": [int(one[at].sum()) for one in stopped],
            "stopped": int(any_look.sum()),
            "upper": upper_bound(any_look, rows[at, 0]),
            "worst_pair": [worst[0], *(float(value) for value in worst[1])],
        }


def _look(rows: NDArray[np.float64], place: int) -> Look:
    return Look(*rows[:, 5 + 4 * place : 9 + 4 * place].T)


def upper_bound(stopped: NDArray[np.bool_], worlds: NDArray[np.float64]) -> float:
    """Return the upper end of a 95% interval of a rate whose draws share worlds.

    Clopper-Pearson with the effective number of draws: their number over the design effect, the variance of the rate by
    worlds over that of independent draws (Kish, Survey Sampling, 1965); never more than the number itself.
    """
    rate, draws = stopped.mean(), len(stopped)
    if rate in (0, 1):
        effective = float(draws)
    else:
        _, member = np.unique(worlds, return_inverse=True)
        residuals = np.bincount(member, weights=stopped - rate)
        clusters = len(residuals)
        variance = clusters / (clusters - 1) * (residuals**2).sum() / draws**2
        effective = draws / max(1.0, variance / (rate * (1 - rate) / draws))
    successes = rate * effective
    return float(betaincinv(successes + 1, effective - successes, 0.975)) if rate < 1 else 1.0


def blocks(folder: Path, prefix: str) -> list[Path]:
    """Return the stored blocks in order."""
    return sorted(folder.glob(f"{prefix}-*.npz"))


def run_worlds(setting: Setting, folder: Path, *, worlds: int, equal: int, block: int, banks: int) -> None:
    """Simulate the worlds whose blocks are not stored yet."""
    levels = Levels(setting, folder, banks=banks)
    for start in range(0, worlds, block):
        file = folder / f"worlds-{setting.name}-{start:05}.npz"
        if not file.exists():
            rows = np.concatenate(
                [simulate_world(setting, levels, number, equal) for number in range(start, min(start + block, worlds))]
            )
            write(file, rows=rows.astype(np.float32))


def run_seasons(setting: Setting, folder: Path, *, seasons: int, block: int, banks: int) -> None:
    """Play the seasons whose blocks are not stored yet."""
    levels = Levels(setting, folder, banks=banks)
    for better in BETTER:
        for start in range(0, seasons, block):
            file = folder / f"seasons-{setting.name}-{better}-{start:05}.npz"
            if not file.exists():
                numbers = range(start, min(start + block, seasons))
                played = [simulate_season(setting, levels, number, better) for number in numbers]
                write(file, **{name: np.array([one[name] for one in played]) for name in played[0]})


def write(file: Path, **arrays: Any) -> None:
    """Write a block whole or not at all."""
    part = file.with_suffix(".part")
    with part.open("wb") as output:
        np.savez_compressed(output, **arrays)
    part.rename(file)


def report(setting: Setting, folder: Path) -> None:
    """Print what the stored blocks say."""
    stored = blocks(folder, f"worlds-{setting.name}")
    if stored:
        rows = np.concatenate([np.load(file)["rows"] for file in stored]).astype(np.float64)
        for found in wrong_stops(setting, rows):
            print(
                f"{setting.name:20} +{found['distance']:g} SE: {found['stopped']} of {found['draws']} stopped, at "
                f"{setting.looks}: {found['by_look']}; {found['stopped'] / found['draws']:.3%}, at most "
                f"{found['upper']:.3%}; worst pair {found['worst_pair']}"
            )
            note("looks", f"{setting.name} +{found['distance']:g}", found["upper"], "rate", at_most=0.01)
    for better in BETTER:
        played = [np.load(file) for file in blocks(folder, f"seasons-{setting.name}-{better}")]
        if not played:
            continue
        all_of = {name: np.concatenate([one[name] for one in played]) for name in played[0]}
        count = len(all_of["runs"])
        mean = all_of["runs"].mean()
        saved = 1 / mean
        spread = all_of["runs"].std(ddof=1) / count**0.5
        lost, lost_error = all_of["lost_truth"].mean(), all_of["lost_truth"].std(ddof=1) / count**0.5
        differs = int(all_of["differs"].sum())
        print(
            f"{setting.name:20} {better:.0%} better: {count} seasons, {saved:.2f} times fewer runs "
            f"({1 / (mean + 1.96 * spread):.2f} to {1 / (mean - 1.96 * spread):.2f}), "
            f"{all_of['stopped'].mean():.1f} of {SEASON} stopped, {int(all_of['wrong'].sum())} wrongly; another final "
            f"best in {differs} ({differs / count:.2%}), expected score lost {lost:.5f} ± {1.96 * lost_error:.5f}"
        )
        if better == 0.2:
            note("looks", f"{setting.name} saves", saved, "times", at_least=2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("build/looks"))
    parser.add_argument("--rule", nargs="+", default=["exact", "competition"])
    parser.add_argument("--runs", type=int, nargs="+", default=[512, 128])
    parser.add_argument("--examples", type=int, default=24)
    parser.add_argument("--worlds", type=int, default=500)
    parser.add_argument("--equal", type=int, default=8, help="candidates of each family in a world, at equality")
    parser.add_argument("--seasons", type=int, default=200)
    parser.add_argument("--block", type=int, default=20)
    parser.add_argument("--banks", type=int, default=12, help="banks for the expected scores of the families")
    parser.add_argument("--report", action="store_true", help="only print what is stored")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for runs in options.runs:
        for rule in options.rule:
            setting = Setting(rule, runs, options.examples)
            if not options.report:
                size = {"block": options.block, "banks": options.banks}
                run_worlds(setting, options.folder, worlds=options.worlds, equal=options.equal, **size)
                run_seasons(setting, options.folder, seasons=options.seasons, **size)
            report(setting, options.folder)


if __name__ == "__main__":
    main()
