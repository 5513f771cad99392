"""How good the measures are: which of them tell networks that know a part of the forget set from those that know none.

    python -m benchmarks.knowledge FOLDER [SPECIFICATION …] [--block FILE]

For each data set, 160 networks a level are trained by the trainer and the recipe of the banks: on retain and 0, 5, 10,
25 or 50% of the forget set, by photographs and by whole people, each level with the images of the smaller ones. Two
controls know nothing of it, but were trained for half the epochs or at a third of the rate: a measure that reacts to
them sees a difference, not knowledge. From a level's networks, pools of 32 are drawn and measured by every measure
of the registry and both rules against pools of 32 oracles. The area under the ROC curve is the probability that a pool
of the level reads worse than a pool of level 0 (see `direction` and `auc` in judging.py): 1 orders them always, 0.5 is
guessing. Its 95% interval is a jackknife over groups of networks. There are some eighty rows, so expect a few intervals
to miss one half by chance.

It takes over half an hour a data set, needs the machine to itself, and is no part of `make bench`. FOLDER keeps the
outputs of every trained network and every reading, less than 1 GB a data set, so the same command continues after an
interruption. It ends with knowledge.md and knowledge.csv there; `--block` writes the Markdown between the two marker
comments of a file, too.
`--quick` takes a few small networks of a tiny specification, to see that it works; its figures mean nothing.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.knowledge.judging import POOL_GROUPS, draw_pools
from benchmarks.knowledge.levels import SHARES, levels_of
from benchmarks.knowledge.readings import Reader
from benchmarks.knowledge.report import VERDICT, Findings, csv_table, judge, markdown
from lethe.evaluator.artifacts import ArtifactStore, open_store
from lethe.evaluator.banks.seeding import fill_banks
from lethe.evaluator.banks.training_jobs import training_pool
from lethe.evaluator.bench.tables import require_block, write_block
from lethe.evaluator.contract.specification import CompetitionSpec
from lethe.evaluator.contract.specification_file import load_specification
from lethe.evaluator.errors import EvaluatorError
from lethe.evaluator.measures.registry import measures
from lethe.evaluator.metrics.pool import MIN_RUNS
from lethe.evaluator.preparation import prepare
from lethe.server.cli.progress import training_progress

EXAMPLES = str(Path(__file__).with_name("digits-examples.toml"))
SPLIT_SEED = 2023
"""For specifications that leave their seeds to be drawn."""


@dataclass(frozen=True)
class Size:
    """`models` networks a level in so many groups, `draws` of banks and pools, and the shares that levels know."""

    models: int
    groups: int
    draws: int
    shares: Sequence[float]

    @property
    def pool(self) -> int:
        """N, the networks of a pool."""
        return self.models // self.groups * POOL_GROUPS


FULL = Size(models=160, groups=20, draws=16, shares=SHARES)
QUICK = Size(models=24, groups=12, draws=3, shares=(VERDICT,))
QUICK_EPOCHS = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="keeps networks, readings and tables")
    parser.add_argument("data", nargs="*", default=["demo", EXAMPLES], help="default: demo, and digits-examples.toml")
    parser.add_argument("--models", type=int, default=FULL.models, help="networks a level, a multiple of 20")
    parser.add_argument("--jobs", type=int, help="processes; default: as oracles seed has it")
    parser.add_argument("--block", type=Path, metavar="FILE", help="Markdown file whose marked block to replace")
    parser.add_argument("--quick", action="store_true", help="a tiny specification and few networks")
    given = parser.parse_args()
    size = QUICK if given.quick else Size(given.models, FULL.groups, FULL.draws, FULL.shares)
    if size.models % size.groups or size.pool < MIN_RUNS:
        parser.error(f"--models must be a multiple of {size.groups}, and at least {size.groups * 2}")
    if given.block is not None:
        require_block(given.block)
    specifications = [_quick_specification()] if given.quick else [_specification(name) for name in given.data]
    folder = given.folder.resolve()
    store = open_store((folder / "artifacts").as_uri())
    found = [study(spec, store, size, given.jobs) for spec in specifications]
    text = "\n".join(map(markdown, found))
    (folder / "knowledge.md").write_text(text, encoding="utf-8")
    (folder / "knowledge.csv").write_text(csv_table(found), encoding="utf-8")
    if given.block is not None:
        write_block(given.block, text)
    print(text)


def study(spec: CompetitionSpec, store: ArtifactStore, size: Size, jobs: int | None) -> Findings:
    """Train what is missing of a data set, read what is not read, and judge the measures."""
    draws = draw_pools(size.groups, size.draws)
    with training_progress() as progress:
        split = prepare(spec, store, jobs=jobs, progress=progress).public
        levels = levels_of(spec, split, store, models=size.models, shares=size.shares)
        oracles = [(levels[0].bank, index) for index in range(size.models)]
        orders = [(level.bank, level.first + index) for level in levels for index in range(size.models)]
        with training_pool(jobs) as pool:
            fill_banks(oracles + orders, store, pool, stage="networks", progress=progress)
            reader = Reader(split, levels, draws, size.models, store, pool, progress)
            of_the_rule = reader.names_of_the_rule()
            exact = reader.table("exact", tuple(measures()))
            competition = reader.table("competition", of_the_rule)
    counts = split.counts
    title = (
        f"{size.models} networks a level, pools of {size.pool} in {size.draws} draws; {counts.forget} forget images of "
        f"{counts.forget_identities} people, {spec.training.epochs} epochs."
    )
    found = Findings(spec.slug, title, size.pool, levels)
    judge(found, {"exact": exact, "competition": competition}, of_the_rule, draws)
    return found


def _specification(name: str) -> CompetitionSpec:
    spec = load_specification(name).with_seeds(lambda: SPLIT_SEED)
    return spec.model_copy(update={"split": spec.split.model_copy(update={"final": False})})


def _quick_specification() -> CompetitionSpec:
    spec = _specification(str(Path(__file__).parents[1] / "small.toml"))
    return spec.model_copy(update={"training": spec.training.model_copy(update={"epochs": QUICK_EPOCHS})})


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("Stopped; the same command continues from here.")
    except EvaluatorError as error:
        sys.exit(str(error))
