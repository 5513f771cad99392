"""What the hidden runs used, and how much of retraining that is."""

import numpy as np

from lethe.evaluator.measures.inputs import MeasureInputs
from lethe.evaluator.measures.registry import NOT_NEGATIVE, Absent, measure
from lethe.evaluator.metrics.pool import Floats

_QUESTION = "What did it cost?"
_MIB = 2**20


def _used(inputs: MeasureInputs, name: str) -> Floats:
    """(n,) the values of the runs that have one: not every backend knows all of them, nor every worker has a GPU."""
    values = np.asarray(inputs.resources.get(name, ()), dtype=np.float64)
    known = values[np.isfinite(values)]
    if not known.size:
        raise Absent("no run has a record of it")
    return known


def _register(name: str, resource: str, title: str, unit: str, *, scale: float = 1.0) -> None:
    @measure(
        name,
        title=title,
        unit=unit,
        question=_QUESTION,
        scope="run",
        best="low",
        source="the sandbox's record of each run",
        within=NOT_NEGATIVE,
        needs=("resources",),
    )
    def _resource(inputs: MeasureInputs) -> Floats:
        return _used(inputs, resource) / scale


_register("wall_time", "wall_s", "Wall time of a run", "s")
_register("processor_time", "processor_s", "Processor time of a run", "s")
_register("peak_memory", "peak_memory_bytes", "Peak memory of a run", "MiB", scale=_MIB)
_register("gpu_memory", "gpu_memory_bytes", "Peak GPU memory of a run", "MiB", scale=_MIB)


@measure(
    "retraining_share",
    title="Wall time as a share of retraining",
    unit="%",
    question=_QUESTION,
    scope="run",
    best="low",
    source="the runs' wall time over the oracles' mean time of training",
    within=NOT_NEGATIVE,
    needs=("resources", "training_s"),
)
def _retraining_share(inputs: MeasureInputs) -> Floats:
    seconds = 0.0 if inputs.training_s is None or not len(inputs.training_s) else float(np.mean(inputs.training_s))
    if not (np.isfinite(seconds) and seconds > 0):
        raise Absent("it needs the times of training")
    return 100 * _used(inputs, "wall_s") / seconds
