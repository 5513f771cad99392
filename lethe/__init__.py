"""Lethe: measure how well an algorithm makes a network forget.

    import lethe

    pools = lethe.read_pools("outputs.npz")
    score = lethe.score(pools.unlearned, pools.retrained, identities=pools.identities)
    print(score.final_score, score.interval)

The names in `__all__` are Lethe's public interface and follow semantic versioning. Everything else in the package is
private, the links to the repository's folders included. A name is imported when it is first used, so that
`import lethe` costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lethe.evaluator.banks.seeding import Progress
    from lethe.evaluator.bench.rows import Row
    from lethe.evaluator.contract.specification import CompetitionSpec
    from lethe.evaluator.contract.specification_file import SpecificationError, load_specification
    from lethe.evaluator.measures.registry import Value
    from lethe.evaluator.metrics import (
        Calibration,
        Comparison,
        Pool,
        Score,
        calibrate,
        compare,
        cross_entropy,
        margins,
        true_logits,
    )
    from lethe.evaluator.metrics import evaluate as score
    from lethe.evaluator.metrics.pools_file import PoolsFileError, StoredPools, read_pools
    from lethe.evaluator.practice_score import PracticeScore
    from lethe.function_source import SourceUnclear
    from lethe.offline import bench, measures
    from lethe.practising import Practice, UnlearningFailed, practice
    from lethe.server.client import ApiError, Client, connect

__all__ = [
    "ApiError",
    "Calibration",
    "Client",
    "Comparison",
    "CompetitionSpec",
    "Pool",
    "PoolsFileError",
    "Practice",
    "PracticeScore",
    "Progress",
    "Row",
    "Score",
    "SourceUnclear",
    "SpecificationError",
    "StoredPools",
    "UnlearningFailed",
    "Value",
    "__version__",
    "bench",
    "calibrate",
    "compare",
    "connect",
    "cross_entropy",
    "load_specification",
    "margins",
    "measures",
    "practice",
    "read_pools",
    "score",
    "true_logits",
]

__version__ = "0.1.0"

_HOMES = {
    "lethe.evaluator.banks.seeding": ("Progress",),
    "lethe.evaluator.bench.rows": ("Row",),
    "lethe.evaluator.contract.specification": ("CompetitionSpec",),
    "lethe.evaluator.contract.specification_file": ("SpecificationError", "load_specification"),
    "lethe.evaluator.metrics": (
        *("Calibration", "Comparison", "Pool", "Score", "calibrate", "compare"),
        *("cross_entropy", "margins", "true_logits"),
    ),
    "lethe.evaluator.metrics.pools_file": ("PoolsFileError", "StoredPools", "read_pools"),
    "lethe.evaluator.measures.registry": ("Value",),
    "lethe.evaluator.practice_score": ("PracticeScore",),
    "lethe.function_source": ("SourceUnclear",),
    "lethe.offline": ("bench", "measures"),
    "lethe.practising": ("Practice", "UnlearningFailed", "practice"),
    "lethe.server.client": ("ApiError", "Client", "connect"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a public name on its first use."""
    found: Any
    if name == "score":
        found = import_module("lethe.evaluator.metrics").evaluate
    elif name in _HOME_OF:
        found = getattr(import_module(_HOME_OF[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
