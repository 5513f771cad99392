"""What the first models of a competition say of its data."""

from lethe.evaluator.contract.data_review import DataWarning
from lethe.evaluator.contract.parts import task_splits
from lethe.evaluator.contract.prepared_competition import PreparedCompetition, PreparedSplit
from lethe.evaluator.contract.specification import CompetitionSpec

LEAST_GAP = 0.15


def figure_warnings(spec: CompetitionSpec, prepared: PreparedCompetition) -> tuple[DataWarning, ...]:
    """Return a warning for each split with little to unlearn, or whose original model has learned little."""
    return tuple(
        found
        for name, one in task_splits(spec, prepared).items()
        for found in (_gap(name, one.split), _majority(name, one.split))
        if found
    )


def forget_gap(split: PreparedSplit) -> float:
    """Return by how much the original is more accurate on the forget set than oracles, in [-1, 1]."""
    return split.figures.original_forget_accuracy - split.figures.oracle_forget_accuracy


def _gap(name: str, split: PreparedSplit) -> DataWarning | None:
    gap = forget_gap(split)
    if gap >= LEAST_GAP:
        return None
    points = f"only {100 * gap:.0f} points better" if gap >= 0 else f"{-100 * gap:.0f} points worse"
    return DataWarning(
        code="little_to_forget",
        text=f"{name} split: the original model is {points} on the forget set than models that never saw it; there is "
        f"{'little' if gap >= 0 else 'nothing'} to unlearn",
        names=(name,),
    )


def _majority(name: str, split: PreparedSplit) -> DataWarning | None:
    majority, accuracy = split.figures.majority, split.figures.original_test_accuracy
    if majority <= accuracy:
        return None
    return DataWarning(
        code="majority_above_original",
        text=f"{name} split: always guessing the most frequent class is right on {100 * majority:.0f}% of the test "
        f"photographs, the original model on {100 * accuracy:.0f}%. It has learned little: add photographs, train for "
        "longer, or make the classes more equal",
        names=(name,),
    )
