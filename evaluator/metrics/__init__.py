"""The hidden metric: margins, epsilon, forgetting quality and scores with error bars. numpy and scipy only."""

from evaluator.metrics.calibration import Calibration, NormalisedQuality, calibrate, untouched_pool
from evaluator.metrics.comparison import (
    Comparison,
    Difference,
    compare,
    paired_difference,
    rank_replicates,
    ranks,
    replicate_difference,
)
from evaluator.metrics.competition import competition_epsilon
from evaluator.metrics.diagnostics import diagnose, non_finite_outputs
from evaluator.metrics.exact import exact_epsilon, exact_limit
from evaluator.metrics.findings import ScoreFinding
from evaluator.metrics.logits import cross_entropy, margins
from evaluator.metrics.pool import MIN_RUNS, Pool
from evaluator.metrics.quality import Rule, competition_bins, epsilon, example_quality, forgetting_quality
from evaluator.metrics.score import METRIC_VERSION, Score, evaluate, final_score
from evaluator.metrics.utility import tug_of_war

__all__ = [
    "METRIC_VERSION",
    "MIN_RUNS",
    "Calibration",
    "Comparison",
    "Difference",
    "NormalisedQuality",
    "Pool",
    "Rule",
    "Score",
    "ScoreFinding",
    "calibrate",
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
    "tug_of_war",
    "untouched_pool",
]
