"""The plots of a submission, from its runs and the reference set."""

from collections.abc import Sequence

import numpy as np

from lethe.evaluator.artifacts import ArtifactStore
from lethe.evaluator.artifacts.oracles import read_record
from lethe.evaluator.contract.oracle_pools import OraclePools
from lethe.evaluator.metrics import Pool
from lethe.evaluator.scoring.reference_set import ReferenceSet
from lethe.server.plots.drawing import Plot
from lethe.server.plots.submission import Floats, PlotData, submission_plots


def plot_runs(
    reference_set: ReferenceSet, unlearned: Pool, run_wall_s: Sequence[float], training_wall_s: Floats
) -> tuple[Plot, ...]:
    """Return the plots of N runs against the reference set."""
    epsilon, quality = reference_set.epsilon(unlearned)
    return submission_plots(
        PlotData(
            epsilon=epsilon,
            quality=quality,
            unlearned=unlearned,
            retrained=reference_set.retrained,
            run_wall_s=np.array(run_wall_s),
            retraining_wall_s=training_wall_s,
        )
    )


def retraining_wall_s(artifacts: ArtifactStore, against: OraclePools) -> Floats:
    """Return the seconds that each oracle took to train."""
    digest = against.split.bank_digest
    return np.array([read_record(artifacts, digest, index).wall_s for index in against.oracles])
