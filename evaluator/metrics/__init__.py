"""The hidden metric: margins, epsilon, forgetting quality and scores with error bars. numpy and scipy only."""

from lethe.evaluator.metrics.calibration import Calibration, NormalisedQuality, calibrate, untouched_pool
from lethe.evaluator.metrics.comparison import (
    Comparison,
    Difference,
    compare,
    paired_difference,
    rank_replicates,
    ranks,
    replicate_difference,
)
from lethe.evaluator.metrics.competition import competition_epsilon
from lethe.evaluator.metrics.diagnostics import diagnose, non_finite_outputs
from lethe.evaluator.metrics.exact import exact_epsilon, exact_limit
from lethe.evaluator.metrics.findings import ScoreFinding
from lethe.evaluator.metrics.logits import Quantity, cross_entropy, margins, true_logits
from lethe.evaluator.metrics.pool import MIN_RUNS, Pool
from lethe.evaluator.metrics.quality import Rule, competition_bins, epsilon, example_quality, forgetting_quality
from lethe.evaluator.metrics.score import METRIC_VERSION, Score, evaluate, final_score
from lethe.evaluator.metrics.tasks import (
    BetweenOriginals,
    CeilingZero,
    CombinedScore,
    PartScore,
    TaskScore,
    combine,
    require_ceiling,
)
from lethe.evaluator.metrics.utility import tug_of_war

__all__ = [
    "METRIC_VERSION",
    "MIN_RUNS",
    "BetweenOriginals",
    "Calibration",
    "CeilingZero",
    "CombinedScore",
    "Comparison",
    "Difference",
    "NormalisedQuality",
    "PartScore",
    "Pool",
    "Quantity",
    "Rule",
    "Score",
    "ScoreFinding",
    "TaskScore",
    "calibrate",
    "combine",
    "compare",
    "competition_bins",
    "competition_epsilon",
    "cross_entropy",
    "diagnose",
    "epsilon",
    "evaluate",
    "exact_epsilon",
    "exact_limit",
    "example_quality",
    "final_score",
    "forgetting_quality",
    "margins",
    "non_finite_outputs",
    "paired_difference",
    "rank_replicates",
    "ranks",
    "replicate_difference",
    "require_ceiling",
    "true_logits",
    "tug_of_war",
    "untouched_pool",
]
