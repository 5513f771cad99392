"""Limits are positive, finite and frozen."""

from dataclasses import FrozenInstanceError, fields

import pytest

from lethe.sandbox import Policy


def test_defaults_are_valid_and_every_limit_has_a_unit() -> None:
    units = ("_s", "_bytes", "processes", "open_files", "threads", "cores")
    assert all(field.name.endswith(units) for field in fields(Policy()))


@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan")])
@pytest.mark.parametrize("name", [field.name for field in fields(Policy)])
def test_limits_must_be_positive_and_finite(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=name):
        Policy(**{name: value})  # type: ignore[arg-type]


def test_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        Policy().wall_s = 1.0  # type: ignore[misc]
