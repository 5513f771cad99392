"""The competition rule against what the published code, made to run, answers."""

from pathlib import Path

import numpy as np
import pytest

from lethe.evaluator.metrics import competition_epsilon, forgetting_quality

VECTORS = Path(__file__).parents[3] / "vectors"


@pytest.mark.parametrize("name", ["n16", "n24_edges", "n64", "n512"])
def test_reproduces_the_published_code(name: str) -> None:
    with np.load(VECTORS / f"competition_{name}.npz") as vector:
        unlearned, retrained = vector["unlearned"], vector["retrained"]
        epsilon, quality = vector["epsilon"], float(vector["forgetting_quality"])

    answer = competition_epsilon(unlearned, retrained)

    np.testing.assert_allclose(answer, epsilon, rtol=0, atol=1e-6)
    mine = forgetting_quality(answer, rule="competition", runs=len(unlearned), oracles=len(retrained))
    assert mine == pytest.approx(quality, abs=1e-9)
