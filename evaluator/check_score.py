"""The practice score of a check on a worker: its own runs and further ones, against the practice bundle's oracles."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lethe.evaluator.artifacts.outputs import read_arrays, read_outputs, stack_outputs
from lethe.evaluator.artifacts.practice_bundle import BundleInvalid, PracticeBundle
from lethe.evaluator.contract.advice import Advice
from lethe.evaluator.contract.practice_score import FURTHER_WALL_S, ScoredPractice
from lethe.evaluator.scoring.practice import score_practice

FURTHER_FAILED = "A further run of the check failed or was interrupted, so there is no practice score."
FURTHER_FAULT = "The practice score could not be computed, which is no fault of the file."
_AT_HOME = "`lethe check -c` scores the file on your machine."


def reason_against(advice: Sequence[Advice], *, wall_s: float, runs: int, slots: int) -> str:
    """Return why so many further runs, `slots` at a time and each `wall_s` long, are left out; empty: they are done."""
    if Advice.UNCHANGED in advice:
        return "The network came back unchanged, so there is no practice score."
    expected_s = math.ceil(runs / slots) * wall_s
    if expected_s <= FURTHER_WALL_S:
        return ""
    return (
        f"There is no practice score: the {runs} further runs that it takes would need about {expected_s:.0f} s here, "
        f"and may have {FURTHER_WALL_S:.0f} s. {_AT_HOME}"
    )


def score_check(bundle: PracticeBundle, outputs: Sequence[bytes], evaluation: Path) -> ScoredPractice:
    """Return the score of the runs with these outputs; `evaluation` has the labels of the forget images.

    Raises BundleInvalid for a bundle without oracles, and ValueError where its oracles are of other data.
    """
    oracles = bundle.oracles()
    if oracles is None:
        raise BundleInvalid(f"{bundle.path} has no oracles")
    labels = dict(read_arrays(evaluation, ["forget.labels"]))["forget.labels"].astype(np.int64)
    return score_practice(stack_outputs([read_outputs(one) for one in outputs]), oracles, labels, bundle.facts.metric)
