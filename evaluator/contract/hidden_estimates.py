"""What a run on practice data lets expect of the hidden runs that follow, from public numbers of images."""

from pydantic import Field

from lethe.evaluator.contract.base import Contract
from lethe.evaluator.contract.batch_counts import VisibleCounts

NUMBER_BYTES, CHANNELS = 4, 3


class HiddenScale(Contract):
    """How hidden runs differ from runs on practice data."""

    images_ratio: float = Field(
        gt=0, description="How many times as many images: of the retain or the forget set, whichever grows more"
    )
    added_image_bytes: int = Field(ge=0, description="Float32 of the retain and forget images that come in addition")
    wall_limit_s: float


class HiddenEstimate(Contract):
    """What a hidden run may need, if it passes over its images as often as the check did."""

    wall_s: float = Field(description="As many times as many seconds as there are images")
    wall_limit_s: float
    peak_memory_bytes: int | None = Field(
        description="With the images that come in addition, should the file keep all of them as float32; null where "
        "memory was not measured"
    )


def hidden_scale(
    practice: VisibleCounts | None, hidden: VisibleCounts, *, image_size: int, wall_limit_s: float
) -> HiddenScale | None:
    """Return how runs on `hidden` differ from those on `practice`; None where that was not counted, or is empty."""
    if practice is None or not practice.retain or not practice.forget:
        return None
    added = hidden.retain + hidden.forget - practice.retain - practice.forget
    return HiddenScale(
        images_ratio=max(hidden.retain / practice.retain, hidden.forget / practice.forget),
        added_image_bytes=max(0, added) * CHANNELS * image_size**2 * NUMBER_BYTES,
        wall_limit_s=wall_limit_s,
    )


def estimate(scale: HiddenScale, wall_s: float, peak_memory_bytes: int | None) -> HiddenEstimate:
    """Return what to expect of a hidden run after one on practice data took this much."""
    return HiddenEstimate(
        wall_s=wall_s * scale.images_ratio,
        wall_limit_s=scale.wall_limit_s,
        peak_memory_bytes=None if peak_memory_bytes is None else peak_memory_bytes + scale.added_image_bytes,
    )
