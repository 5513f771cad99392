"""Harm to others: the attacks on retain and test images, which nobody asked to be forgotten."""

from lethe.evaluator.measures.inputs import MeasureInputs, Part
from lethe.evaluator.measures.likelihood import klom, u_lira
from lethe.evaluator.measures.registry import NOT_NEGATIVE, RATE, measure
from lethe.evaluator.metrics import exact_epsilon
from lethe.evaluator.metrics.pool import Floats

_QUESTION = "Were others harmed?"


def _register(part: Part) -> None:
    @measure(
        f"{part}_u_lira",
        title=f"Likelihood ratio attack on {part} images, accuracy",
        question=_QUESTION,
        scope="pool",
        best="oracles",
        source="Hayes et al. 2024, on images that nobody asked to be forgotten",
        within=RATE,
        needs=(part,),
    )
    def _u_lira(inputs: MeasureInputs) -> float:
        return u_lira(*inputs.margins[part]).mean_accuracy

    @measure(
        f"{part}_klom",
        title=f"KL divergence of margins on {part} images",
        unit="nats",
        question=_QUESTION,
        scope="image",
        best="oracles",
        source="Georgiev et al. 2024",
        within=NOT_NEGATIVE,
        needs=(part,),
    )
    def _klom(inputs: MeasureInputs) -> Floats:
        return klom(*inputs.margins[part])

    @measure(
        f"{part}_epsilon",
        title=f"Epsilon of the exact rule on {part} images",
        question=_QUESTION,
        scope="image",
        best="oracles",
        source="docs/metric.md",
        within=NOT_NEGATIVE,
        needs=(part,),
    )
    def _epsilon(inputs: MeasureInputs) -> Floats:
        return exact_epsilon(*inputs.margins[part])


_register("retain")
_register("test")
