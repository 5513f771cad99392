"""What a competition will cost: hours of machines, storage and memory, by its specification and the time of a model."""

from dataclasses import asdict, dataclass
from typing import Any

from lethe.evaluator.contract.parts import task_specs, total_runs
from lethe.evaluator.contract.phrases import count_text
from lethe.evaluator.contract.prepared_competition import Counts
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
class Cost:
    """Models, runs and the hours of one machine that they take; `…_days` are of the season's machines together."""

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

    def document(self) -> dict[str, Any]:
        """Return the fields for JSON."""
        return asdict(self)


def count_models(spec: CompetitionSpec) -> int:
    """Return how many models a competition trains: oracles and originals of every split, and those of practice."""
    tasks, splits = max(1, len(spec.tasks)), 1 + spec.split.final
    each = splits * (wanted_oracles(spec) + spec.evaluation.originals) + 1
    return tasks * each + spec.practice.oracles


def estimate(
    spec: CompetitionSpec, counts: Counts, season: Season, *, model_s: float, run_s: float, bank_bytes: int
) -> Cost:
    """Return what a competition costs whose public split has `counts`; a run can take no more than its limit.

    `model_s` and `run_s` are seconds of one machine for one model and one run; of tasks, all are taken to be as the
    first.
    """
    pilot = sum(one.split.pilot_models for one in task_specs(spec) if one.split.difficulty)
    trained_on = counts.retain + counts.forget + counts.validation + counts.test
    pilot_h = pilot * model_s * trained_on / (2 * counts.retain) / 3600
    models = count_models(spec)
    run_s = min(run_s, spec.limits.run_wall_s)
    per_day = min(season.submissions_per_day, spec.quotas.submissions_per_day or season.submissions_per_day)
    submissions = round(season.teams * per_day * season.days)
    each = total_runs(spec)
    runs = submissions * each
    runs_h = runs * run_s / 3600
    with_looks_h = runs_h / (LOOKS_SAVE[spec.metric.rule] if spec.evaluation.looks else 1)
    finals_runs = season.teams * spec.evaluation.final_selections * each
    outputs = (counts.forget + counts.test + counts.retain_sample) * spec.data.classes * FLOAT_BYTES
    machine_days = 24 * season.gpus
    return Cost(
        models=models,
        model_s=model_s,
        training_h=models * model_s / 3600,
        pilot_models=pilot,
        pilot_h=pilot_h,
        run_s=run_s,
        submissions=submissions,
        runs=runs,
        runs_h=runs_h,
        runs_h_with_looks=with_looks_h,
        season_days=runs_h / machine_days,
        season_days_with_looks=with_looks_h / machine_days,
        finals_runs=finals_runs,
        finals_h=finals_runs * run_s / 3600,
        bank_bytes=bank_bytes,
        outputs_bytes=(runs + finals_runs) * outputs,
        scoring_memory_bytes=(wanted_oracles(spec) + spec.evaluation.runs) * outputs * 2,
    )


def describe(cost: Cost, season: Season, *, has_looks: bool) -> str:
    """Return the cost in a few lines."""
    lines = [
        f"training: {cost.models:,} models, {cost.model_s:.1f} s each: {hours_text(cost.training_h)} of one machine",
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
    ]
    return "\n".join(lines)


def _pilot_text(cost: Cost) -> str:
    return (
        f"pilot for split.difficulty: {cost.pilot_models:,} models on half of the photographs each, "
        f"{hours_text(cost.pilot_h)} of one machine"
    )


def in_short(spec: CompetitionSpec, counts: Counts, *, model_s: float) -> str:
    """Return one line for a competition whose first models were just trained."""
    cost = estimate(spec, counts, Season(), model_s=model_s, run_s=model_s / spec.training.epochs, bank_bytes=0)
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
