"""The common horizontal scale on which every score of a board is drawn."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

INSET_PERCENT = 2.5  # room for half a dot at both ends
TICKS_WANTED = 5


@dataclass(frozen=True)
class Tick:
    """A labelled place on the scale; `x` in percent of the drawing's width."""

    x: float
    label: str


@dataclass(frozen=True)
class Scale:
    """Maps scores from [low, high] to percent of the drawing's width; `low` < `high`.

    Values outside of it are clamped to its ends, or if `is_part` lie outside of the drawing, which cuts them off.
    """

    low: float
    high: float
    ticks: tuple[Tick, ...]
    is_part: bool = False

    def x(self, value: float) -> float:
        """Return percent from the left, rounded to hundredths."""
        return _x(value, self.low, self.high, clamps=not self.is_part)

    def holds(self, value: float) -> bool:
        """Return whether the scale has a place for `value`."""
        return not self.is_part or self.low <= value <= self.high

    def width(self, start: float, end: float) -> float:
        """Return the percent between two scores, never negative."""
        return round(max(0.0, self.x(end) - self.x(start)), 2)


def anchor(x: float) -> str:
    """Return the `text-anchor` that keeps a label at `x` percent inside the drawing."""
    return "start" if x < 15 else "end" if x > 85 else "middle"


def scale_for(values: Iterable[float]) -> Scale:
    """Return the scale from zero (or the least value below it) to the first round number above the greatest value.

    Values must be finite. Without values, or with zeros only, it ends at 1.
    """
    return _scale([0.0, *values], is_part=False)


def part_of_scale(low: float, high: float) -> Scale:
    """Return the scale from `low` to `high`, both finite, wherever zero is."""
    return _scale([low, high], is_part=True)


def _scale(found: list[float], *, is_part: bool) -> Scale:
    if not all(math.isfinite(value) for value in found):
        raise ValueError("a scale needs finite values")
    least, greatest = min(found), max(found)
    if least == greatest:
        greatest = least + 1.0
    step = _round_step((greatest - least) / TICKS_WANTED)
    first, last = math.floor(least / step), math.ceil(greatest / step - 1e-9)
    low, high = (least, greatest) if is_part else (first * step, last * step)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    ticks = tuple(
        Tick(x=_x(index * step, low, high), label=f"{index * step + 0.0:.{digits}f}")
        for index in range(first, last + 1)
        if low <= index * step <= high or not is_part
    )
    return Scale(low=low, high=high, ticks=ticks, is_part=is_part)


def _x(value: float, low: float, high: float, *, clamps: bool = True) -> float:
    share = (value - low) / (high - low)
    if clamps:
        share = min(1.0, max(0.0, share))
    return round(INSET_PERCENT + share * (100 - 2 * INSET_PERCENT), 2)


def _round_step(least: float) -> float:
    """Return the smallest of 1, 2, 5 times a power of ten that is at least `least`."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * (1 - 1e-9))
