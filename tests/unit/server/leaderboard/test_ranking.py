"""Ranks: what must hold for every set of scores, and that many teams are ranked quickly enough."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from lethe.evaluator.metrics import rank_replicates
from lethe.evaluator.metrics.uncertainty import jackknife_error, t_quantile
from lethe.server.leaderboard.standings import monotone_ranks

Floats = NDArray[np.float64]
GROUPS = 16
values = st.floats(0, 1, allow_nan=False).map(lambda value: round(value, 3))


@st.composite
def boards(draw: st.DrawFn, least: int = 1) -> tuple[Floats, Floats]:
    """Final scores (T,) with ties, and replicates (T, G) around them."""
    final = np.array(draw(st.lists(values, min_size=least, max_size=8)))
    noise = draw(arrays(np.float64, (len(final), GROUPS), elements=st.floats(-0.02, 0.02).map(lambda v: round(v, 4))))
    return final, final[:, None] + noise


def by_definition(final: Floats, replicates: Floats) -> list[int]:
    quantile = t_quantile(GROUPS - 1)
    teams = range(len(final))
    errors = jackknife_error(replicates[None] - replicates[:, None])
    return [1 + sum(final[j] - final[i] > quantile * errors[i, j] for j in teams) for i in teams]


@given(boards())
@settings(deadline=None)
def test_the_matrix_product_ranks_as_the_definition_does(board: tuple[Floats, Floats]) -> None:
    final, replicates = board
    margins = [
        abs(final[j] - final[i] - t_quantile(GROUPS - 1) * jackknife_error(replicates[j] - replicates[i]))
        for i in range(len(final)) for j in range(len(final)) if i != j
    ]  # fmt: skip
    if min(margins, default=1.0) > 1e-9:  # on the border rounding decides
        assert list(rank_replicates(final, replicates, block=3)) == by_definition(final, replicates)


@given(boards(), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_the_order_of_teams_does_not_matter(board: tuple[Floats, Floats], random: "np.random.Generator") -> None:
    final, replicates = board
    order = list(range(len(final)))
    random.shuffle(order)  # type: ignore[arg-type]
    assert list(monotone_ranks(final[order], replicates[order])) == list(monotone_ranks(final, replicates)[order])


@given(boards(least=2))
@settings(deadline=None)
def test_nobody_ranks_above_a_higher_score_and_ties_share_a_rank(board: tuple[Floats, Floats]) -> None:
    final, replicates = board
    ranks = monotone_ranks(final, replicates)
    for i in range(len(final)):
        for j in range(len(final)):
            if final[i] >= final[j]:
                assert ranks[i] <= ranks[j]
    assert ranks.min() == 1
    assert ranks.max() <= len(final)


@given(boards(least=2), st.data())
@settings(deadline=None)
def test_a_team_that_leaves_makes_nobody_rank_lower(board: tuple[Floats, Floats], data: st.DataObject) -> None:
    final, replicates = board
    gone = data.draw(st.integers(0, len(final) - 1))
    before = np.delete(monotone_ranks(final, replicates), gone)
    after = monotone_ranks(np.delete(final, gone), np.delete(replicates, gone, axis=0))
    assert (after <= before).all()
    lowest = final[gone] < np.delete(final, gone).min()
    if lowest:
        assert (after == before).all()  # the last one held nobody down


def test_noise_does_not_lift_a_team() -> None:
    steady = 0.10 + 1e-4 * np.sin(np.arange(GROUPS))
    best = 0.20 + 1e-4 * np.cos(np.arange(GROUPS))
    noisy = 0.09 + 0.2 * np.sin(np.arange(GROUPS))
    final, replicates = np.array([0.20, 0.10, 0.09]), np.array([best, steady, noisy])
    assert rank_replicates(final, replicates) == (1, 2, 1)
    assert list(monotone_ranks(final, replicates)) == [1, 2, 2]


def test_teams_far_apart_are_counted_and_equal_ones_tied() -> None:
    final = np.array([0.3, 0.1, 0.3, 0.2])
    replicates = final[:, None] + 1e-6 * np.sin(np.arange(GROUPS))
    assert list(monotone_ranks(final, replicates)) == [1, 4, 1, 3]
