"""What a check lets expect of hidden runs follows from numbers of images that anybody may see."""

import pytest

from lethe.evaluator.contract.advice import Advice
from lethe.evaluator.contract.hidden_estimates import HiddenScale, estimate, hidden_scale
from lethe.evaluator.contract.prepared_competition import Counts
from lethe.evaluator.contract.specification import LimitsSpec
from lethe.evaluator.run_reports import advise
from lethe.sandbox import RunResult, Status

MIB = 2**20


def counts(retain: int, forget: int) -> Counts:
    return Counts(
        retain=retain,
        forget=forget,
        validation=9,
        test=9,
        retain_sample=9,
        identities=9,
        forget_identities=1,
        classes=4,
    )


def result(wall_s: float, peak_memory_bytes: int | None = None) -> RunResult:
    return RunResult(Status.OK, str(wall_s).encode(), None, "", "", False, False, wall_s, wall_s, peak_memory_bytes)


def test_the_set_that_grows_more_decides() -> None:
    scale = hidden_scale(counts(200, 40), counts(1000, 400), image_size=32, wall_limit_s=60.0)
    assert scale == HiddenScale(images_ratio=10.0, added_image_bytes=1160 * 3 * 32 * 32 * 4, wall_limit_s=60.0)
    found = estimate(scale, 2.1, 100 * MIB)
    assert (found.wall_s, found.wall_limit_s) == (pytest.approx(21.0), 60.0)
    assert found.peak_memory_bytes == 100 * MIB + scale.added_image_bytes
    assert estimate(scale, 2.1, None).peak_memory_bytes is None


def test_practice_that_was_not_counted_tells_nothing() -> None:
    assert hidden_scale(None, counts(9, 9), image_size=32, wall_limit_s=60.0) is None


def test_ten_seconds_on_twenty_people_are_near_the_limit_of_five_hundred() -> None:
    scale = hidden_scale(counts(200, 20), counts(5000, 500), image_size=32, wall_limit_s=60.0)
    quick, slow = (result(3.0), b"1"), (result(10.0), b"2")
    limits = LimitsSpec(run_wall_s=60.0)
    assert advise([quick, slow], b"0", limits, scale) == (Advice.NEAR_TIME_LIMIT,)
    assert advise([quick, slow], b"0", limits) == ()
    few = hidden_scale(counts(200, 20), counts(400, 40), image_size=32, wall_limit_s=60.0)
    assert advise([quick, slow], b"0", limits, few) == ()


def test_images_that_come_in_addition_need_memory() -> None:
    scale = hidden_scale(counts(200, 20), counts(50_000, 5_000), image_size=32, wall_limit_s=60.0)
    small, large = LimitsSpec(memory_bytes=512 * MIB), LimitsSpec(memory_bytes=2048 * MIB)
    runs = [(result(1.0, 90 * MIB), b"1"), (result(1.1, 100 * MIB), b"2")]
    scale = scale.model_copy(update={"images_ratio": 1.0}) if scale else None
    assert advise(runs, b"0", small, scale) == (Advice.NEAR_MEMORY_LIMIT,)
    assert advise(runs, b"0", large, scale) == ()
    assert advise(runs, b"0", small) == ()
    full = [(result(1.0, 450 * MIB), b"1"), (result(1.1, None), b"2")]
    assert advise(full, b"0", small) == (Advice.NEAR_MEMORY_LIMIT,)
