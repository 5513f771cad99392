"""What a check on practice data may tell a participant beyond success: a closed vocabulary, so that nothing leaks."""

from enum import StrEnum

from lethe.evaluator.contract.limits import limits_of
from lethe.evaluator.contract.specification import LimitsSpec


class Advice(StrEnum):
    """Stable codes; clients may match on them."""

    UNCHANGED = "unchanged"
    SAME_FOR_ALL_SEEDS = "same_for_all_seeds"
    NEAR_TIME_LIMIT = "near_time_limit"
    NEAR_MEMORY_LIMIT = "near_memory_limit"

    @property
    def text(self) -> str:
        """The sentence that tells the reader what to do."""
        return ADVICE_TEXTS[self]


NEAR = 0.8
"""The share of a limit from which on a run is near it."""
_CHECK_TIME, _TIME, _MEMORY = (
    limits_of(LimitsSpec)[name].label for name in ("check_wall_s", "run_wall_s", "memory_bytes")
)

ADVICE_TEXTS: dict[Advice, str] = {
    Advice.UNCHANGED: "The network that came back answers exactly like the original one: nothing was unlearned. "
    "If you work on a copy, return the copy.",
    Advice.SAME_FOR_ALL_SEEDS: "Two runs with different seeds gave the same network, bit for bit. If the method has no "
    "randomness, that is no fault. But retrained networks differ, and runs that are all alike are easily told from "
    "them, which lowers the forgetting quality. If unlearning sets a seed (torch.manual_seed and the like), leave it "
    "out.",
    Advice.NEAR_TIME_LIMIT: f"A run took more than {NEAR:.0%} of the time limit ({_CHECK_TIME}), or would on the "
    f"hidden data ({_TIME}), if it takes as many times as long as there are more images. On a slower or busier machine "
    "it may not finish: do less.",
    Advice.NEAR_MEMORY_LIMIT: f"A run used more than {NEAR:.0%} of the limit ({_MEMORY}), or would on the hidden data, "
    "which have more images, if it keeps all of them: keep less in memory.",
}
