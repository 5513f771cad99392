"""What a practice bundle says of its competition, beside its arrays: chosen fields, which everybody may know."""

from collections.abc import Sequence
from typing import Final

from pydantic import Field, field_validator

from lethe.evaluator.contract.base import Contract
from lethe.evaluator.contract.limits import limits_of
from lethe.evaluator.contract.networks import Network, read_network
from lethe.evaluator.contract.specification import (
    CompetitionSpec,
    DependenciesSpec,
    LeaveOut,
    LimitsSpec,
    MetricSpec,
    TrainingSpec,
)

NAMES_SHOWN: Final = 12
"""Of the names of classes in a line."""
PRACTICE_FORMAT: Final = 1
"""Rises with every change of the document or of the arrays, which older programs then refuse by name."""
FEWEST_RUNS, MOST_RUNS = 8, 64
"""Of a function or file on practice data that are scored: a score needs eight, and more than 64 take long at home."""


def classes_text(classes: int, names: Sequence[str]) -> str:
    """Return such as `3 classes (young, adult, old)`; of many names the first ones, and without names the number."""
    if not names:
        return f"{classes} classes"
    more = ", …" if len(names) > NAMES_SHOWN else ""
    return f"{classes} classes ({', '.join(names[:NAMES_SHOWN])}{more})"


class PracticeFacts(Contract):
    """How a submission is run and scored on practice data. There is no field for a seed, a secret or a hidden count."""

    format: int = PRACTICE_FORMAT
    slug: str
    title: str
    architecture: str = Field(description="A shipped one by name, another as JSON with name, options and source")
    classes: int
    class_names: tuple[str, ...] = Field(description="In the order of the class numbers; empty where classes have none")
    training: TrainingSpec = Field(description="The recipe of the practice model and of the practice oracles")
    batch_size: int
    metric: MetricSpec = Field(description="Of practice scores; scores on hidden data may have another")
    limits: LimitsSpec
    dependencies: DependenciesSpec
    leave_out: LeaveOut
    ignore_cuda: bool
    oracles: int = Field(default=0, description="How many practice oracles have outputs in the bundle")

    @field_validator("architecture")
    @classmethod
    def _names_a_network(cls, text: str) -> str:
        read_network(text)
        return text

    @property
    def network(self) -> Network:
        """The network, whose source is a stranger's where it has one."""
        return read_network(self.architecture)


def practice_facts(spec: CompetitionSpec, *, oracles: int = 0) -> PracticeFacts:
    """What everybody may know of the competition, before the reveal too: practice scores have `practice.rule`."""
    own = MetricSpec(rule=spec.practice.rule)
    return facts_of(spec).model_copy(update={"metric": own, "limits": _shown(spec.limits), "oracles": oracles})


def facts_of(spec: CompetitionSpec) -> PracticeFacts:
    """The facts of a specification for whoever has all of it, the rule of its scores included."""
    return PracticeFacts(
        slug=spec.slug,
        title=spec.title,
        architecture=spec.model.network.text,
        classes=spec.data.classes,
        class_names=spec.class_names,
        training=spec.training,
        batch_size=spec.evaluation.batch_size,
        metric=spec.metric,
        limits=spec.limits,
        dependencies=spec.dependencies,
        leave_out=spec.leave_out,
        ignore_cuda=spec.ignore_cuda,
    )


def _shown(limits: LimitsSpec) -> LimitsSpec:
    """`limits` without those that participants do not see, which get their defaults."""
    return LimitsSpec(
        **{name: getattr(limits, name) for name, limit in limits_of(LimitsSpec).items() if not limit.hidden}
    )
