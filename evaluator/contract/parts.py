"""The parts of an evaluation, tasks × original models, and how its runs are cut over them.

A competition without `[[tasks]]` and with one original has one part: all of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from lethe.evaluator.contract.oracle_pools import OraclePools, oracle_pools
from lethe.evaluator.contract.prepared_competition import PreparedCompetition, PreparedSplit
from lethe.evaluator.contract.specification import CompetitionSpec
from lethe.evaluator.contract.states import Evaluation


@dataclass(frozen=True)
class Part:
    """The runs on one task from one of its originals; `spec` is that of a competition with this task alone.

    `number` counts the parts of an evaluation from 0, `task` the tasks and `original` the originals of each. `name` is
    the task's, empty in a competition without tasks.
    """

    number: int
    task: int
    original: int
    name: str
    weight: float
    spec: CompetitionSpec


@dataclass(frozen=True)
class PartPools:
    """A part, and the split and oracles that its runs are scored against."""

    part: Part
    against: OraclePools


@dataclass(frozen=True)
class Chunk:
    """Runs that one worker takes at a time: all of one part, `count` of them from `first` on."""

    part: int
    first: int
    count: int


def task_specs(spec: CompetitionSpec) -> tuple[CompetitionSpec, ...]:
    """Return the specification of each task, as that of a competition with it alone."""
    if not spec.tasks:
        return (spec,)
    return tuple(
        spec.model_copy(
            update={"tasks": (), "data": task.data, "split": task.split, "model": task.model, "training": task.training}
        )
        for task in spec.tasks
    )


@dataclass(frozen=True)
class TaskSplit:
    """A split of a task, and the specification of a competition with this task alone."""

    spec: CompetitionSpec
    split: PreparedSplit


def task_splits(spec: CompetitionSpec, prepared: PreparedCompetition) -> dict[str, TaskSplit]:
    """Return the splits of all tasks by name: `public` and `final`, after the task's name and a slash if it has one."""
    names = [f"{task.name}/" for task in spec.tasks] or [""]
    return {
        f"{name}{split}": TaskSplit(own, found)
        for name, own, task in zip(names, task_specs(spec), prepared.tasks, strict=True)
        for split, found in task.splits.items()
    }


def count_parts(spec: CompetitionSpec) -> int:
    """Return how many parts an evaluation has."""
    return max(1, len(spec.tasks)) * spec.evaluation.originals


def total_runs(spec: CompetitionSpec) -> int:
    """Return how many hidden runs a submission has over all parts."""
    return count_parts(spec) * spec.evaluation.runs


def is_combined(spec: CompetitionSpec) -> bool:
    """Return whether scores are made of those of several parts, or normalised."""
    return bool(spec.tasks) or spec.evaluation.originals > 1


def parts(spec: CompetitionSpec) -> tuple[Part, ...]:
    """Return the parts in the order of their runs: all originals of the first task, then those of the next."""
    names = [(task.name, task.weight) for task in spec.tasks] or [("", 1.0)]
    count = spec.evaluation.originals
    return tuple(
        Part(number=task * count + original, task=task, original=original, name=name, weight=weight, spec=own)
        for task, ((name, weight), own) in enumerate(zip(names, task_specs(spec), strict=True))
        for original in range(count)
    )


def part_text(spec: CompetitionSpec, number: int) -> str:
    """Return `part 1 of 6: task people, original 1 of 2`; empty where the only part is all there is."""
    if not is_combined(spec):
        return ""
    part, originals = parts(spec)[number], spec.evaluation.originals
    names = [f"task {part.name}"] if part.name else []
    names += [f"original {part.original + 1} of {originals}"] if originals > 1 else []
    return f"part {number + 1} of {count_parts(spec)}: {', '.join(names)}"


def part_pools(spec: CompetitionSpec, prepared: PreparedCompetition, evaluation: Evaluation) -> tuple[PartPools, ...]:
    """Return what each part of an evaluation is scored against."""
    tasks = prepared.tasks
    found = []
    for part in parts(spec):
        pools = oracle_pools(part.spec, tasks[part.task], evaluation)
        own = OraclePools(pools.split.with_original(part.original), pools.oracles, pools.others)
        found.append(PartPools(part, own))
    return tuple(found)


def chunks(spec: CompetitionSpec, until: int) -> Iterator[Chunk]:
    """Yield the chunks of the first `until` runs; none crosses two parts."""
    size, each, last = spec.evaluation.chunk_runs, spec.evaluation.runs, count_parts(spec) - 1
    for part in range(last + 1):
        end = until if part == last else min(until, (part + 1) * each)
        for first in range(part * each, end, size):
            yield Chunk(part, first, min(size, end - first))
