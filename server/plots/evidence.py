"""The plots of a submission, from what its reference set says of its runs."""

from collections.abc import Sequence

import numpy as np

from evaluator.artifacts import ArtifactStore
from evaluator.artifacts.oracles import read_record
from evaluator.metrics import Pool
from server.competitions.oracle_pools import Measure
from server.plots.drawing import Plot
from server.plots.submission import Evidence, Floats, submission_plots
from server.scoring.reference_set import Yardstick


def draw(
    yardstick: Yardstick, unlearned: Pool, run_wall_s: Sequence[float], training_wall_s: Floats
) -> tuple[Plot, ...]:
    """The plots of N runs against the yardstick."""
    epsilon, quality = yardstick.epsilon(unlearned)
    return submission_plots(
        Evidence(
            epsilon=epsilon,
            quality=quality,
            unlearned=unlearned,
            retrained=yardstick.retrained,
            run_wall_s=np.array(run_wall_s),
            retraining_wall_s=training_wall_s,
        )
    )


def retraining_wall_s(artifacts: ArtifactStore, against: Measure) -> Floats:
    """Seconds that each oracle took to train."""
    digest = against.split.bank_digest
    return np.array([read_record(artifacts, digest, index).wall_s for index in against.oracles])
