"""A guest that forges its curve lies to itself: what is claimed is bounded, and anything else is no curve."""

import json

import pytest

from lethe.evaluator.contract.curves import CLAIM_BYTES, MAX_POINTS, Curve, read_curve, split_claim

ORIGINAL = {"retain": 1.0, "forget": 0.9, "validation": 0.5, "test": 0.4}
UNLEARNED = {"retain": 0.8, "forget": 0.3, "validation": 0.5, "test": 0.35}
HONEST = {"steps": 9, "points": [[2, 0.9, 0.5, 0.4], [6, 0.85, 0.4, 0.4]]}


def claimed(claim: object) -> Curve | None:
    return read_curve(claim if isinstance(claim, bytes) else json.dumps(claim).encode(), ORIGINAL, UNLEARNED)


def test_a_curve_runs_from_the_original_network_to_what_came_back() -> None:
    found = claimed(HONEST)
    assert found is not None
    assert [(one.step, one.retain, one.forget, one.test) for one in found.points] == [
        (0, 1.0, 0.9, 0.4), (2, 0.9, 0.5, 0.4), (6, 0.85, 0.4, 0.4), (9, 0.8, 0.3, 0.35)
    ]  # fmt: skip


def test_the_last_step_is_measured_by_the_trusted_side() -> None:
    found = claimed({"steps": 6, "points": HONEST["points"]})
    assert found is not None
    assert [(one.step, one.retain) for one in found.points] == [(0, 1.0), (2, 0.9), (6, 0.8)]


def test_a_run_that_is_too_short_for_points_has_its_ends() -> None:
    found = claimed({"steps": 1, "points": []})
    assert found is not None
    assert [one.step for one in found.points] == [0, 1]


def test_no_more_points_are_read_than_a_curve_has() -> None:
    found = claimed({"steps": 999, "points": [[step, 0.5, 0.5, 0.5] for step in range(1, 60)]})
    assert found is not None
    assert len(found.points) == MAX_POINTS


FORGED = {
    "nothing": b"",
    "no JSON": b"\xff\xfe",
    "nested": b"[" * CLAIM_BYTES,
    "another type": [1, 2],
    "no steps": {"points": []},
    "text for steps": {"steps": "<script>", "points": []},
    "no step": {"steps": 0, "points": []},
    "too many steps": {"steps": 10**12, "points": []},
    "backwards": {"steps": 9, "points": [[6, 0.5, 0.5, 0.5], [2, 0.5, 0.5, 0.5]]},
    "beyond its end": {"steps": 9, "points": [[10, 0.5, 0.5, 0.5]]},
    "accuracy above one": {"steps": 9, "points": [[2, 1.5, 0.5, 0.5]]},
    "accuracy below zero": {"steps": 9, "points": [[2, 0.5, -0.1, 0.5]]},
    "not a number": b'{"steps": 9, "points": [[2, NaN, 0.5, 0.5]]}',
    "infinite": b'{"steps": 9, "points": [[2, 0.5, Infinity, 0.5]]}',
    "text": {"steps": 9, "points": [[2, "<b>", 0.5, 0.5]]},
    "too few numbers": {"steps": 9, "points": [[2, 0.5]]},
    "too many numbers": {"steps": 9, "points": [[2, 0.5, 0.5, 0.5, 0.5]]},
    "endless digits": b'{"steps": ' + b"9" * 4000 + b', "points": []}',
}  # fmt: skip


@pytest.mark.parametrize("claim", FORGED.values(), ids=FORGED.keys())
def test_a_forged_claim_is_no_curve(claim: object) -> None:
    assert claimed(claim) is None


@pytest.mark.parametrize("payload", [b"", b"\0", b"\0\0\0\0", b"\0\0\0\2ab", b"\0\0\0\2abweights"])
def test_a_payload_falls_into_claim_and_weights(payload: bytes) -> None:
    claim, weights = split_claim(payload)
    assert len(payload) < 4 or len(claim).to_bytes(4, "big") + claim + weights == payload


@pytest.mark.parametrize("size", [CLAIM_BYTES + 1, 2**32 - 1, 9])
def test_a_length_that_cannot_be_makes_all_of_it_weights(size: int) -> None:
    payload = size.to_bytes(4, "big") + bytes(8 if size == 9 else CLAIM_BYTES + 8)
    assert split_claim(payload) == (b"", payload)
