"""What a competition will cost: hours of machines, storage and memory, by its specification and the time of a model."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lethe.evaluator.contract.parts import task_specs, total_runs
from lethe.evaluator.contract.phrases import count_text
from lethe.evaluator.contract.prepared_competition import Counts, PreparedCompetition
from lethe.evaluator.contract.specification import CompetitionSpec
from lethe.server.hosting.calibration import wanted_oracles

FLOAT_BYTES = 4
LOOKS_SAVE = {"exact": 1.34, "competition": 1.15}
"""By rule, how many times fewer runs a season has with looks if a fifth of its uploads are truly better: the least that
was found (docs/metric.md)."""


@dataclass(frozen=True)
class Season:
    """How much is uploaded, and how many machines (a GPU, or a computer without one) work on it at a time."""

    teams: int = 200
    submissions_per_day: float = 5
    days: int = 60
    gpus: int = 4


@dataclass(frozen=True)
class TaskSize:
    """What is known of a task: the images of its public split, and seconds of one machine for one model and one run."""

    counts: Counts
    model_s: float
    run_s: float
    bank_bytes: int = 0


@dataclass(frozen=True)
class TaskCost:
    """What one task costs; `runs` are of the season, the finals' apart, as are `runs_h` and `finals_h`."""

    name: str
    models: int
    model_s: float
    training_h: float
    pilot_models: int
    pilot_h: float
    run_s: float
    runs: int
    runs_h: float
    finals_runs: int
    finals_h: float
    bank_bytes: int
    outputs_bytes: int
    scoring_memory_bytes: int


@dataclass(frozen=True)
class Cost:
    """Models, runs and the hours of one machine that they take; `…_days` are of the season's machines together.

    `model_s` and `run_s` are means over all models and runs. `tasks` is empty in a competition without.
    """

    models: int
    model_s: float
    training_h: float
    pilot_models: int
    pilot_h: float
    run_s: float
    submissions: int
    runs: int
    runs_h: float
    runs_h_with_looks: float
    season_days: float
    season_days_with_looks: float
    finals_runs: int
    finals_h: float
    bank_bytes: int
    outputs_bytes: int
    scoring_memory_bytes: int
    tasks: tuple[TaskCost, ...] = ()

    def document(self) -> dict[str, Any]:
        """Return the fields for JSON, `tasks` only where there are some."""
        return {name: value for name, value in asdict(self).items() if name != "tasks" or value}


def count_models(spec: CompetitionSpec) -> int:
    """Return how many models a competition trains: oracles and originals of every split, and those of practice."""
    tasks, splits = max(1, len(spec.tasks)), 1 + spec.split.final
    each = splits * (wanted_oracles(spec) + spec.evaluation.originals) + 1
    return tasks * each + spec.practice.oracles


def estimate(spec: CompetitionSpec, sizes: Sequence[TaskSize], season: Season) -> Cost:
    """Return what a competition costs with tasks of these sizes, or with the one size of a competition without tasks.

    A run can take no more than its limit.
    """
    per_day = min(season.submissions_per_day, spec.quotas.submissions_per_day or season.submissions_per_day)
    submissions = round(season.teams * per_day * season.days)
    selections = season.teams * spec.evaluation.final_selections
    names = [task.name for task in spec.tasks] or [""]
    tasks = [
        _task_cost(own, name, size, submissions=submissions, selections=selections, is_first=place == 0)
        for place, (own, name, size) in enumerate(zip(task_specs(spec), names, sizes, strict=True))
    ]
    models, runs = sum(one.models for one in tasks), sum(one.runs for one in tasks)
    training_h, runs_h = sum(one.training_h for one in tasks), sum(one.runs_h for one in tasks)
    with_looks_h = runs_h / (LOOKS_SAVE[spec.metric.rule] if spec.evaluation.looks else 1)
    machine_days = 24 * season.gpus
    return Cost(
        models=models,
        model_s=sum(one.model_s * (one.models / models) for one in tasks),
        training_h=training_h,
        pilot_models=sum(one.pilot_models for one in tasks),
        pilot_h=sum(one.pilot_h for one in tasks),
        run_s=sum(one.run_s for one in tasks) / len(tasks),
        submissions=submissions,
        runs=runs,
        runs_h=runs_h,
        runs_h_with_looks=with_looks_h,
        season_days=runs_h / machine_days,
        season_days_with_looks=with_looks_h / machine_days,
        finals_runs=sum(one.finals_runs for one in tasks),
        finals_h=sum(one.finals_h for one in tasks),
        bank_bytes=sum(one.bank_bytes for one in tasks),
        outputs_bytes=sum(one.outputs_bytes for one in tasks),
        scoring_memory_bytes=max(one.scoring_memory_bytes for one in tasks),
        tasks=tuple(tasks) if spec.tasks else (),
    )


def _task_cost(
    own: CompetitionSpec, name: str, size: TaskSize, *, submissions: int, selections: int, is_first: bool
) -> TaskCost:
    """Return the cost of the task that `own` is the specification of; practice oracles are of the first one."""
    counts = size.counts
    models = count_models(own) - (0 if is_first else own.practice.oracles)
    pilot = own.split.pilot_models if own.split.difficulty else 0
    trained_on = counts.retain + counts.forget + counts.validation + counts.test
    run_s = min(size.run_s, own.limits.run_wall_s)
    runs, finals_runs = submissions * total_runs(own), selections * total_runs(own)
    outputs = (counts.forget + counts.test + counts.retain_sample) * own.data.classes * FLOAT_BYTES
    return TaskCost(
        name=name,
        models=models,
        model_s=size.model_s,
        training_h=models * size.model_s / 3600,
        pilot_models=pilot,
        pilot_h=pilot * size.model_s * trained_on / (2 * counts.retain) / 3600,
        run_s=run_s,
        runs=runs,
        runs_h=runs * run_s / 3600,
        finals_runs=finals_runs,
        finals_h=finals_runs * run_s / 3600,
        bank_bytes=size.bank_bytes,
        outputs_bytes=(runs + finals_runs) * outputs,
        scoring_memory_bytes=(wanted_oracles(own) + own.evaluation.runs) * outputs * 2,
    )


def describe(cost: Cost, season: Season, *, has_looks: bool) -> str:
    """Return the cost in a few lines."""
    each = "on average" if cost.tasks else "each"
    lines = [
        f"training: {cost.models:,} models, {cost.model_s:.1f} s {each}: {hours_text(cost.training_h)} of one machine",
        f"season: {count_text(season.teams, 'team')}, {count_text(cost.submissions, 'submission')}, "
        f"{count_text(cost.runs, 'run')} of {cost.run_s:.1f} s: "
        f"{hours_text(cost.runs_h)}, {cost.season_days:,.1f} days of {count_text(season.gpus, 'machine')}",
    ]
    if cost.pilot_models:
        lines.insert(0, _pilot_text(cost))
    if has_looks:
        lines.append(
            f"with looks, if a fifth of the uploads is truly better: {hours_text(cost.runs_h_with_looks)}, "
            f"{cost.season_days_with_looks:,.1f} days"
        )
    if cost.season_days > season.days:
        lines.append(
            f"warning: the season lasts {count_text(season.days, 'day')}, "
            f"which is too short for {count_text(season.gpus, 'machine')}"
        )
    lines += [
        f"finals: {cost.finals_runs:,} runs at most, {hours_text(cost.finals_h)}",
        f"storage: {size_text(cost.bank_bytes)} of data and oracles, up to {size_text(cost.outputs_bytes)} of outputs",
        f"memory of control: about {size_text(cost.scoring_memory_bytes)} while it scores",
        *map(_task_text, cost.tasks),
    ]
    return "\n".join(lines)


def _task_text(task: TaskCost) -> str:
    pilot = f", and {hours_text(task.pilot_h)} for a pilot of {task.pilot_models:,}" if task.pilot_models else ""
    return (
        f"task {task.name}: {task.models:,} models of {task.model_s:.1f} s, {hours_text(task.training_h)}{pilot}; "
        f"{count_text(task.runs, 'run')} of {task.run_s:.1f} s, {hours_text(task.runs_h)}; "
        f"finals {hours_text(task.finals_h)}; {size_text(task.bank_bytes)} of data and oracles"
    )


def _pilot_text(cost: Cost) -> str:
    return (
        f"pilot for split.difficulty: {cost.pilot_models:,} models on half of the photographs each, "
        f"{hours_text(cost.pilot_h)} of one machine"
    )


def in_short(spec: CompetitionSpec, prepared: PreparedCompetition) -> str:
    """Return one line for a competition whose first models were just trained."""
    sizes = [
        TaskSize(task.public.counts, seconds, seconds / own.training.epochs)
        for own, task in zip(task_specs(spec), prepared.tasks, strict=True)
        for seconds in (task.public.figures.retrain_wall_s,)
    ]
    cost = estimate(spec, sizes, Season())
    return (
        f"cost: {cost.models:,} models, {hours_text(cost.training_h)} of this machine; a submission "
        f"{total_runs(spec)} runs, {hours_text(total_runs(spec) * cost.run_s / 3600)} if each does an epoch "
        "(lethe admin competition cost has a whole season)"
    )


def hours_text(hours: float) -> str:
    """Return `3 h`, `1.2 h`, or seconds for less than a tenth of an hour."""
    return f"{hours:,.0f} h" if hours >= 10 else f"{hours:.1f} h" if hours >= 0.1 else f"{3600 * hours:.0f} s"


def size_text(size_bytes: int) -> str:
    """Return `1.2 GB`, or megabytes for less than one."""
    return f"{size_bytes / 1e9:,.1f} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e6:,.0f} MB"
