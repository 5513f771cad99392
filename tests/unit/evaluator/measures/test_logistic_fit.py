"""Regressions on many columns at once are those of scikit-learn one by one."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from lethe.evaluator.measures.logistic_fit import call_members, fit_logistic

MEMBERS = np.repeat([1, 0], [40, 60])


@pytest.mark.parametrize(
    ("shift", "scale", "outliers"),
    [(0.0, 1.0, 0), (0.5, 1.0, 0), (30.0, 1.0, 0), (103.0, 1e-3, 0), (0.0, 0.0, 0), (2.0, 4.0, 4), (1e-3, 1e-5, 0)],
)
def test_slopes_and_intercepts_are_those_of_scikit_learn(shift: float, scale: float, outliers: int) -> None:
    draw = np.random.default_rng(2)
    values = scale * draw.normal(size=(100, 3)) + shift * MEMBERS[:, None]
    values[:outliers] = draw.uniform(-100, 100, (outliers, 3))
    slopes, intercepts = fit_logistic(values, MEMBERS)
    for e, column in enumerate(values.T):
        other = LogisticRegression(solver="newton-cholesky", tol=1e-10, max_iter=1_000).fit(column[:, None], MEMBERS)
        assert slopes[e] == pytest.approx(other.coef_[0, 0], abs=1e-6)
        assert intercepts[e] == pytest.approx(other.intercept_[0], abs=1e-6)


def test_members_are_called_above_the_threshold() -> None:
    values = np.array([[0.0], [1.0], [2.0], [3.0]])
    fit = fit_logistic(values, np.array([0, 0, 1, 1]))
    assert -fit[1][0] / fit[0][0] == pytest.approx(1.5)  # by symmetry
    assert call_members(values, fit)[:, 0].tolist() == [False, False, True, True]
