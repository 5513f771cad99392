"""Accuracies over the optimiser steps of a run on practice data, and how a guest's claim of them is read."""

import json
from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated

from pydantic import Field, ValidationError, model_validator

from lethe.evaluator.contract.base import Contract

CURVE_PARTS = ("retain", "forget", "test")
CURVE_IMAGES = 32
"""Of each part: evaluating one more point costs about half of a step on a batch of 64."""
MAX_POINTS = 20
CLAIM_BYTES = 4096
Step = Annotated[int, Field(ge=0, le=10**9)]
Accuracy = Annotated[float, Field(ge=0, le=1)]


class CurvePoint(Contract):
    """Accuracies after some steps."""

    step: Step
    retain: Accuracy
    forget: Accuracy
    test: Accuracy


class Curve(Contract):
    """Accuracies over the steps: of the original network, of the network that was trained, of what came back.

    All of them on the same images, `images` of each part at most.
    """

    images: int = Field(default=CURVE_IMAGES, ge=1)

    points: tuple[CurvePoint, ...] = Field(min_length=2, max_length=MAX_POINTS, description="By step")

    @model_validator(mode="after")
    def _go_forward(self) -> "Curve":
        if any(before.step >= after.step for before, after in pairwise(self.points)):
            raise ValueError("the steps of a curve go up")
        return self


def split_claim(payload: bytes) -> tuple[bytes, bytes]:
    """Return the claim of a curve and the weights of a guest's payload; no claim where its length cannot be one."""
    size = int.from_bytes(payload[:4], "big")
    if not 0 <= size <= min(CLAIM_BYTES, len(payload) - 4):
        return b"", payload
    return payload[4 : 4 + size], payload[4 + size :]


def read_curve(claim: bytes, original: Mapping[str, float], unlearned: Mapping[str, float]) -> Curve | None:
    """Return the claimed points between two that the trusted side measured; None if no steps or no curve is claimed.

    `original` and `unlearned`: accuracies in [0, 1] on the same images of retain, forget and test.
    """
    if not claim:
        return None
    try:
        found = json.loads(claim)
        steps = found["steps"]
        names = CurvePoint.model_fields
        inner = [dict(zip(names, point, strict=True)) for point in found["points"][: MAX_POINTS - 2]]
        points = [
            {"step": 0} | _parts(original),
            *(point for point in inner if point["step"] != steps),
            {"step": steps} | _parts(unlearned),
        ]
        return Curve.model_validate({"points": points})
    except (ValidationError, ValueError, TypeError, KeyError, RecursionError):
        return None


def _parts(accuracies: Mapping[str, float]) -> dict[str, float]:
    return {part: accuracies[part] for part in CURVE_PARTS}
